package import CProtocol
package import RPC

extension Xfer {
    /// PUT: a whole file in one call. Its data stands at the end of the arguments and never goes through XDR.
    package enum Put: XferProcedure {
        /// PUTargs up to and including the length word of the data.
        package struct Arguments: Hashable, Sendable {
            package var directory: FileHandle
            package var name: FileName
            /// The server's to use in the directory, and to replace what has it.
            package var temporary: FileName
            /// Without a size.
            package var attributes: SetAttributes
            package var existing: Existing
            /// Data, attributes and name are on disk before the reply.
            package var synchronize: Bool
            /// Bytes of data.
            package var count: UInt32

            package init(
                _ directory: FileHandle, _ name: FileName, temporary: FileName, attributes: SetAttributes,
                existing: Existing = .replace, synchronize: Bool = true, count: UInt32
            ) {
                self.directory = directory
                self.name = name
                self.temporary = temporary
                self.attributes = attributes
                self.existing = existing
                self.synchronize = synchronize
                self.count = count
            }
        }

        package struct Success: Hashable, Sendable {
            package var file: FileHandle
            package var attributes: FileAttributes?
            package var directory: WeakCacheData

            package init(file: FileHandle, attributes: FileAttributes?, directory: WeakCacheData) {
                self.file = file
                self.attributes = attributes
                self.directory = directory
            }
        }

        package typealias Failure = WeakCacheData
        package static let number = ProcedureNumber.put

        /// Client: the arguments up to and including the length word of the data, which follows and is padded to a
        /// multiple of four.
        package static func encode(_ arguments: Arguments) throws(XDREncodingError) -> [UInt8] {
            // Encoded as empty; then the last word, which is its length, becomes what follows.
            var bytes = try XDRCoder.encode(arguments)
            bytes.setLastWord(arguments.count)
            return bytes
        }

        /// Server: the arguments up to the data.
        ///
        /// - Parameter bytes: at least everything before the data.
        /// - Returns: the arguments and how many bytes they have; nil where they are malformed: GARBAGE_ARGS.
        package static func decodeHead(_ bytes: UnsafeRawBufferPointer) -> (arguments: Arguments, length: Int)? {
            var reader = XDRReader(bytes)
            guard let directory = reader.next(nfs_fh3(), xdr_nfs_fh3, FileHandle.init),
                let name = reader.next(filename3(), xdr_filename3, { FileName(wire: $0) }),
                let temporary = reader.next(filename3(), xdr_filename3, { FileName(wire: $0) }),
                let attributes = reader.next(sattr3(), xdr_sattr3, { SetAttributes($0) }),
                let existing = reader.word().flatMap(Existing.init), let synchronize = reader.bool(),
                let count = reader.word(), count <= NFS.payloadLimit
            else { return nil }
            return (
                Arguments(
                    directory, name, temporary: temporary, attributes: attributes, existing: existing,
                    synchronize: synchronize, count: count), reader.position
            )
        }

        /// Server: where the data of a call stands in its arguments.
        ///
        /// - Parameter arguments: the first bytes of the arguments, as many as came so far.
        /// - Returns: none where lengths break the limits, which ``decodeHead(_:)`` refuses.
        package static func payload(arguments: UnsafeRawBufferPointer) -> PayloadPosition {
            var cursor = 0
            // Opaques with their limits: the handle, both names.
            for limit in [FileHandle.limit, Int(NFS3_MAXNAME), Int(NFS3_MAXNAME)] {
                guard let length = arguments.word(at: cursor) else { return .needs(cursor + 4) }
                guard length <= limit else { return .none }
                cursor += 4 + (Int(length) + 3) & ~3
            }
            // Unions of sattr3: what a discriminant is followed by.
            for (isSet, count) in Self.unions {
                guard let discriminant = arguments.word(at: cursor) else { return .needs(cursor + 4) }
                cursor += 4 + (isSet(discriminant) ? count : 0)
            }
            // how, synchronize, length
            cursor += 12
            guard let length = arguments.word(at: cursor - 4) else { return .needs(cursor) }
            guard length <= NFS.payloadLimit else { return .none }
            return .at(offset: cursor, count: Int(length))
        }

        /// mode, uid, gid, size; atime, mtime
        private static let unions: [(isSet: @Sendable (UInt32) -> Bool, count: Int)] = [
            ({ $0 != 0 }, 4), ({ $0 != 0 }, 4), ({ $0 != 0 }, 4), ({ $0 != 0 }, 8), ({ $0 == 2 }, 8), ({ $0 == 2 }, 8),
        ]
    }
}

extension Xfer.Put.Arguments: XDRValue {
    package static var routine: XDRRoutine<PUTargs> { xdr_PUTargs }

    package init(_ wire: PUTargs) {
        self.init(
            FileHandle(wire.dir), FileName(wire: wire.name), temporary: FileName(wire: wire.temporary),
            attributes: SetAttributes(wire.attributes), existing: Xfer.Existing(rawValue: wire.how.rawValue) ?? .keep,
            synchronize: wire.synchronize != 0, count: wire.data.data_len)
    }

    package func wire(_ arena: XDRArena) -> PUTargs {
        var wire = PUTargs()
        wire.dir = directory.wire(arena)
        wire.name = name.name(arena)
        wire.temporary = temporary.name(arena)
        wire.attributes = attributes.wire
        wire.how = xferhow(existing.rawValue)
        wire.synchronize = synchronize ? 1 : 0
        return wire
    }
}

extension Xfer.Put {
    package static var resultsRoutine: XDRRoutine<PUTres> { xdr_PUTres }
    package static var noResults: PUTres { PUTres() }

    package static func reply(_ wire: PUTres) -> Reply {
        guard wire.status == NFS3_OK else {
            return .failure(NFSStatus(wire.status), WeakCacheData(wire.PUTres_u.resfail.dir_wcc))
        }
        let resok = wire.PUTres_u.resok
        return .success(
            Success(
                file: FileHandle(resok.file), attributes: FileAttributes?(resok.file_attributes),
                directory: WeakCacheData(resok.dir_wcc)))
    }

    package static func wire(_ reply: Reply, _ arena: XDRArena) -> PUTres {
        var wire = PUTres()
        switch reply {
        case .success(let success):
            wire.status = NFS3_OK
            wire.PUTres_u.resok.file = success.file.wire(arena)
            wire.PUTres_u.resok.file_attributes = success.attributes.wire
            wire.PUTres_u.resok.dir_wcc = success.directory.wire
        case .failure(let status, let directory):
            wire.status = status.wire
            wire.PUTres_u.resfail.dir_wcc = directory.wire
        }
        return wire
    }
}
