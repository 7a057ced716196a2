import Glibc
package import Kernel

/// Checksums of parts of files.
package enum FileChecksum {
    /// Bytes read at once.
    private static let piece = 256 << 10

    /// - Parameters:
    ///   - file: open for reading.
    ///   - range: bytes of it; what is behind its end does not count.
    /// - Returns: the checksum, and how many bytes it is of.
    package static func of(
        _ file: Int32, _ range: Range<UInt64>, _ algorithm: ChecksumAlgorithm
    ) throws(SystemError) -> (checksum: Checksum, count: UInt64) {
        let buffer = buffer(for: range.upperBound - range.lowerBound)
        defer { buffer.deallocate() }
        return try of(file, range, algorithm, by: buffer)
    }

    /// The checksums of the blocks of a range.
    ///
    /// - Parameters:
    ///   - file: open for reading.
    ///   - range: bytes of it; what is behind its end does not count. The first block begins at its lower bound.
    ///   - blockSize: bytes of a block, at least one; the last one may be shorter.
    ///   - deadline: after which no further block is begun. The first one always is.
    /// - Returns: the checksums, none of which is of no bytes, and how many bytes they are of: fewer than in the range where
    ///   the file ends before, or time was up.
    package static func ofBlocks(
        _ file: Int32, _ range: Range<UInt64>, blockSize: UInt64, _ algorithm: ChecksumAlgorithm,
        until deadline: Deadline = .never
    ) throws(SystemError) -> (checksums: [Checksum], count: UInt64) {
        let blockSize = max(1, blockSize)
        let buffer = buffer(for: min(blockSize, range.upperBound - range.lowerBound))
        defer { buffer.deallocate() }
        var checksums: [Checksum] = []
        var offset = range.lowerBound
        while offset < range.upperBound {
            let wanted = min(blockSize, range.upperBound - offset)
            let (checksum, count) = try of(file, offset..<(offset + wanted), algorithm, by: buffer)
            if count > 0 { checksums.append(checksum) }
            offset += count
            if count < wanted || deadline.hasPassed { break }
        }
        return (checksums, offset - range.lowerBound)
    }

    private static func buffer(for count: UInt64) -> UnsafeMutableRawBufferPointer {
        .allocate(byteCount: max(1, min(piece, Int(clamping: count))), alignment: 64)
    }

    private static func of(
        _ file: Int32, _ range: Range<UInt64>, _ algorithm: ChecksumAlgorithm, by buffer: UnsafeMutableRawBufferPointer
    ) throws(SystemError) -> (checksum: Checksum, count: UInt64) {
        let state = ChecksumState(algorithm)
        var offset = range.lowerBound
        while offset < range.upperBound {
            // No file has bytes there, and pread(2) takes no such offset.
            guard let position = off_t(exactly: offset) else { break }
            let wanted = Int(clamping: min(UInt64(buffer.count), range.upperBound - offset))
            let count = try systemCall("pread") { pread(file, buffer.baseAddress, wanted, position) }
            if count == 0 { break }
            state.update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            offset += UInt64(count)
        }
        return (state.finish(), offset - range.lowerBound)
    }
}
