package import Checksums
package import NFS

/// Checksums that a server made of a file of its own.
package struct RemoteChecksums: Sendable {
    /// Of one block after another; the last one may be of a shorter block.
    package var blocks: [Checksum] = []
    /// Bytes that they are of: fewer than asked for where the file ends before.
    package var count: UInt64 = 0
    /// Whether the file ends behind them.
    package var isEndOfFile = false
    /// The file's, the same before the first byte was read and after the last. Nil where the server does not tell.
    package var attributes: FileAttributes?
}

extension Remote {
    /// The checksums of the blocks of a range of a file, made by the server: CHECKSUM, as many calls as it takes.
    ///
    /// - Parameters:
    ///   - range: bytes; what is behind the file's end does not count.
    ///   - blockSize: bytes, 1...``XferCapabilities/rangeMaximum``. Each block takes 16 or 32 bytes of memory.
    ///   - moved: told how many bytes more are done.
    /// - Returns: nil where the server has no XFER, or not with this algorithm or this block size.
    /// - Throws: ``TransferError`` with `sourceChanged` where the file changed meanwhile; ``NFSError``.
    package func checksums(
        of file: Object, _ range: Range<UInt64>, blockSize: UInt64, _ algorithm: ChecksumAlgorithm,
        moved: @Sendable (UInt64) -> Void = { _ in }
    ) async throws -> RemoteChecksums? {
        guard let capabilities = try await xfer(), capabilities.has(algorithm), blockSize > 0,
            blockSize <= capabilities.rangeMaximum
        else { return nil }
        var result = RemoteChecksums()
        var before: WeakCacheData.Before?
        while true {
            let left = range.upperBound - range.lowerBound - result.count
            await xferSupport.checksums.acquire()
            defer { xferSupport.checksums.release() }
            let reply = try await xfer(
                Xfer.Checksum.self,
                .init(
                    file.handle, algorithm: algorithm.rawValue, offset: range.lowerBound + result.count, count: left,
                    blockSize: blockSize),
                subject: file.path, isLong: true)
            let blocks = try Self.blocks(reply, algorithm, blockSize, atMost: left, file.path)
            if before == nil { before = reply.file.before }
            guard before == reply.file.after.map(WeakCacheData.Before.init) else {
                throw TransferError(.sourceChanged, "\(file.path): changed while the server read it")
            }
            result.blocks += blocks
            result.count += reply.count
            result.isEndOfFile = reply.endOfFile
            result.attributes = reply.file.after
            moved(reply.count)
            if reply.endOfFile || reply.count == left { return result }
            guard reply.count > 0, reply.count % blockSize == 0 else {
                throw NFSError(malformed: Xfer.Checksum.name, file.path)
            }
        }
    }

    /// The digests of a reply, one for each block that it says it covers.
    private static func blocks(
        _ reply: Xfer.Checksum.Success, _ algorithm: ChecksumAlgorithm, _ blockSize: UInt64, atMost left: UInt64,
        _ path: String
    ) throws(NFSError) -> [Checksum] {
        let (wanted, rest) = reply.count.quotientAndRemainder(dividingBy: blockSize)
        let length = algorithm.length
        guard reply.count <= left, reply.digests.count % length == 0,
            UInt64(reply.digests.count / length) == wanted + (rest > 0 ? 1 : 0)
        else { throw NFSError(malformed: Xfer.Checksum.name, path) }
        return stride(from: 0, to: reply.digests.count, by: length).map {
            Checksum(bytes: Array(reply.digests[$0..<($0 + length)]))
        }
    }
}

extension XferCapabilities {
    /// Whether the server makes checksums by it.
    package func has(_ algorithm: ChecksumAlgorithm) -> Bool {
        algorithms & 1 << (algorithm.rawValue - 1) != 0
    }
}
