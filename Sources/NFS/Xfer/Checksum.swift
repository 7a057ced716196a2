package import CProtocol

extension Xfer {
    /// CHECKSUM: digests of the blocks of a range of a file.
    package enum Checksum: XferProcedure {
        package struct Arguments: Hashable, Sendable {
            package var file: FileHandle
            /// xfer.x's number.
            package var algorithm: UInt32
            /// Bytes from the start of the file, where the first block begins.
            package var offset: UInt64
            /// Bytes; what is behind the file's end does not count.
            package var count: UInt64
            /// Bytes of a block.
            package var blockSize: UInt64

            package init(_ file: FileHandle, algorithm: UInt32, offset: UInt64, count: UInt64, blockSize: UInt64) {
                self.file = file
                self.algorithm = algorithm
                self.offset = offset
                self.count = count
                self.blockSize = blockSize
            }
        }

        package struct Success: Hashable, Sendable {
            /// Before and after the reading. Where they differ the digests are of a file that changed.
            package var file: WeakCacheData
            /// Bytes that the digests are of.
            package var count: UInt64
            /// Whether nothing is behind them.
            package var endOfFile: Bool
            /// Of one block after another.
            package var digests: [UInt8]

            package init(file: WeakCacheData, count: UInt64, endOfFile: Bool, digests: [UInt8]) {
                self.file = file
                self.count = count
                self.endOfFile = endOfFile
                self.digests = digests
            }
        }

        package typealias Failure = FileAttributes?
        package static let number = ProcedureNumber.checksum

        /// Server: the results' bytes. The digests do not fit in what ``XDRCoder`` encodes, so they are put behind it.
        ///
        /// - Parameter success: the length of its digests is a multiple of four.
        package static func encodeSuccess(_ success: Success) throws(XDREncodingError) -> [UInt8] {
            guard success.digests.count <= digestLimit, success.digests.count % 4 == 0 else { throw XDREncodingError() }
            var head = success
            head.digests = []
            var bytes = try encode(.success(head))
            bytes.setLastWord(UInt32(clamping: success.digests.count))
            return bytes + success.digests
        }
    }
}

extension Xfer.Checksum.Arguments: XDRValue {
    package static var routine: XDRRoutine<CHECKSUMargs> { xdr_CHECKSUMargs }

    package init(_ wire: CHECKSUMargs) {
        self.init(
            FileHandle(wire.file), algorithm: wire.algorithm, offset: UInt64(wire.offset), count: UInt64(wire.count),
            blockSize: UInt64(wire.blocksize))
    }

    package func wire(_ arena: XDRArena) -> CHECKSUMargs {
        CHECKSUMargs(
            file: file.wire(arena), algorithm: algorithm, offset: offset3(offset), count: CProtocol.uint64(count),
            blocksize: CProtocol.uint64(blockSize))
    }
}

extension Xfer.Checksum {
    package static var resultsRoutine: XDRRoutine<CHECKSUMres> { xdr_CHECKSUMres }
    package static var noResults: CHECKSUMres { CHECKSUMres() }

    package static func reply(_ wire: CHECKSUMres) -> Reply {
        guard wire.status == NFS3_OK else {
            return .failure(
                NFSStatus(wire.status), FileAttributes?(wire.CHECKSUMres_u.resfail.file_attributes))
        }
        let resok = wire.CHECKSUMres_u.resok
        return .success(
            Success(
                file: WeakCacheData(resok.file_wcc), count: UInt64(resok.count), endOfFile: resok.eof != 0,
                digests: Array(length: resok.digests.digests_len, bytes: resok.digests.digests_val)))
    }

    package static func wire(_ reply: Reply, _ arena: XDRArena) -> CHECKSUMres {
        var wire = CHECKSUMres()
        switch reply {
        case .success(let success):
            wire.status = NFS3_OK
            wire.CHECKSUMres_u.resok.file_wcc = success.file.wire
            wire.CHECKSUMres_u.resok.count = CProtocol.uint64(success.count)
            wire.CHECKSUMres_u.resok.eof = success.endOfFile ? 1 : 0
            wire.CHECKSUMres_u.resok.digests.digests_len = UInt32(clamping: success.digests.count)
            wire.CHECKSUMres_u.resok.digests.digests_val = arena.copy(success.digests)
        case .failure(let status, let attributes):
            wire.status = status.wire
            wire.CHECKSUMres_u.resfail.file_attributes = attributes.wire
        }
        return wire
    }
}
