import CProtocol
import Checksums
import Kernel
import NFS
import RPC

extension Request {
    /// CHECKSUM of xfer.x: who may read a file may have its digests.
    func checksum(_ arguments: UnsafeRawBufferPointer) -> Answer {
        guard let arguments = Xfer.Checksum.Arguments.decode(arguments, CHECKSUMargs()) else {
            return .garbageArguments
        }
        var file: OpenFile?
        do throws(NFSStatus) {
            let found = try server.file(arguments.file)
            file = found
            try found.requireRegular()
            let before = try found.attributes()
            try found.require(.read, as: identity, before)
            guard let algorithm = ChecksumAlgorithm(rawValue: arguments.algorithm) else { throw .notSupported }
            guard (1...FileServer.rangeMaximum).contains(arguments.blockSize) else { throw .invalid }
            let range = Self.range(arguments, size: before.size)
            let reader = try found.reader()
            let made = try server.checksumThreads.run { () throws(NFSStatus) in
                try nfs { () throws(SystemError) in
                    try FileChecksum.ofBlocks(
                        reader.raw, range, blockSize: arguments.blockSize, algorithm,
                        until: .after(seconds: FileServer.checksumPatience))
                }
            }
            guard let (checksums, count) = made else { throw .jukebox }
            let after = try found.attributes()
            let results = Xfer.Checksum.Success(
                file: WeakCacheData(before: WeakCacheData.Before(before), after: after), count: count,
                endOfFile: arguments.offset >= after.size || count >= after.size - arguments.offset,
                digests: checksums.flatMap(\.bytes))
            guard let bytes = try? Xfer.Checksum.encodeSuccess(results) else { return .systemError }
            return .results(bytes)
        } catch {
            return answer(Xfer.Checksum.self, .failure(error, try? file?.attributes()))
        }
    }

    /// What to read at once: within the file, and within the limits in whole blocks.
    private static func range(_ arguments: Xfer.Checksum.Arguments, size: UInt64) -> Range<UInt64> {
        guard arguments.offset < size else { return arguments.offset..<arguments.offset }
        let blocks = min(UInt64(FileServer.digestMaximum), FileServer.rangeMaximum / arguments.blockSize)
        // At most rangeMaximum: no overflow.
        let count = min(arguments.count, size - arguments.offset, blocks * arguments.blockSize)
        return arguments.offset..<(arguments.offset + count)
    }
}
