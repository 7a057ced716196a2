package import CProtocol
package import RPC

extension NFS {
    /// WRITE, RFC 1813 section 3.3.7. The data never goes through XDR: it stands at the end of the arguments.
    package enum Write: NFSProcedure {
        /// stable_how
        package enum Stability: UInt32, Hashable, Sendable {
            case unstable = 0
            case dataSync = 1
            case fileSync = 2
        }

        /// WRITE3args up to and including the length word of the data.
        package struct Arguments: Hashable, Sendable {
            package var file: FileHandle
            /// Bytes from the start of the file.
            package var offset: UInt64
            /// Bytes of data.
            package var count: UInt32
            package var stability: Stability

            package init(_ file: FileHandle, offset: UInt64, count: UInt32, stability: Stability) {
                self.file = file
                self.offset = offset
                self.count = count
                self.stability = stability
            }
        }

        package struct Success: Hashable, Sendable {
            package var file: WeakCacheData
            /// Bytes that were written: may be fewer than were sent.
            package var count: UInt32
            package var committed: Stability
            /// Compared with COMMIT's: see there.
            package var verifier: Verifier

            package init(file: WeakCacheData, count: UInt32, committed: Stability, verifier: Verifier) {
                self.file = file
                self.count = count
                self.committed = committed
                self.verifier = verifier
            }
        }

        package typealias Failure = WeakCacheData
        package static let number = ProcedureNumber.write

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
        /// - Returns: the arguments and how many bytes they have; nil where they are malformed or the count is not the
        ///   length of the data, which RFC 1813 calls an error without saying which: GARBAGE_ARGS.
        package static func decodeHead(_ bytes: UnsafeRawBufferPointer) -> (arguments: Arguments, length: Int)? {
            var reader = XDRReader(bytes)
            guard let file = reader.next(nfs_fh3(), xdr_nfs_fh3, FileHandle.init), let offset = reader.hyper(),
                let count = reader.word(), let stability = reader.word().flatMap(Stability.init),
                let length = reader.word(), length == count, length <= payloadLimit
            else { return nil }
            return (Arguments(file, offset: offset, count: count, stability: stability), reader.position)
        }
    }

    /// Server: where the data of a WRITE call stands in its arguments.
    ///
    /// - Parameter arguments: the first bytes of the arguments, as many as came so far.
    /// - Returns: none where lengths break the limits, which ``Write/decodeHead(_:)`` refuses.
    package static func writeCallPayload(arguments: UnsafeRawBufferPointer) -> PayloadPosition {
        guard let handle = arguments.word(at: 0) else { return .needs(4) }
        guard handle <= FileHandle.limit else { return .none }
        // handle, offset, count, stable, length
        let head = 4 + (Int(handle) + 3) & ~3 + 20
        guard let length = arguments.word(at: head - 4) else { return .needs(head) }
        guard length <= payloadLimit, length == arguments.word(at: head - 12) else { return .none }
        return .at(offset: head, count: Int(length))
    }
}

extension NFS.Write.Arguments: XDRValue {
    package static var routine: XDRRoutine<WRITE3args> { xdr_WRITE3args }

    package init(_ wire: WRITE3args) {
        file = FileHandle(wire.file)
        offset = UInt64(wire.offset)
        count = wire.count
        stability = NFS.Write.Stability(rawValue: wire.stable.rawValue) ?? .fileSync
    }

    package func wire(_ arena: XDRArena) -> WRITE3args {
        var wire = WRITE3args()
        wire.file = file.wire(arena)
        wire.offset = offset3(offset)
        wire.count = count
        wire.stable = stable_how(stability.rawValue)
        return wire
    }
}

extension NFS.Write {
    package static var resultsRoutine: XDRRoutine<WRITE3res> { xdr_WRITE3res }
    package static var noResults: WRITE3res { WRITE3res() }

    package static func reply(_ wire: WRITE3res) -> Reply {
        guard wire.status == NFS3_OK else {
            return .failure(NFSStatus(wire.status), WeakCacheData(wire.WRITE3res_u.resfail.file_wcc))
        }
        let resok = wire.WRITE3res_u.resok
        return .success(
            Success(
                file: WeakCacheData(resok.file_wcc), count: resok.count,
                // A number that means nothing promises nothing.
                committed: Stability(rawValue: resok.committed.rawValue) ?? .unstable,
                verifier: NFS.Verifier(verifier: resok.verf)))
    }

    package static func wire(_ reply: Reply, _ arena: XDRArena) -> WRITE3res {
        var wire = WRITE3res()
        switch reply {
        case .success(let success):
            wire.status = NFS3_OK
            wire.WRITE3res_u.resok.file_wcc = success.file.wire
            wire.WRITE3res_u.resok.count = success.count
            wire.WRITE3res_u.resok.committed = stable_how(success.committed.rawValue)
            wire.WRITE3res_u.resok.verf = success.verifier.verifier
        case .failure(let status, let failure):
            wire.status = status.wire
            wire.WRITE3res_u.resfail.file_wcc = failure.wire
        }
        return wire
    }
}
