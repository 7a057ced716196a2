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
        let state = ChecksumState(algorithm)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: piece, alignment: 64)
        defer { buffer.deallocate() }
        var offset = range.lowerBound
        while offset < range.upperBound {
            let wanted = Int(min(UInt64(piece), range.upperBound - offset))
            let count = try systemCall("pread") { pread(file, buffer.baseAddress, wanted, off_t(clamping: offset)) }
            if count == 0 { break }
            state.update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            offset += UInt64(count)
        }
        return (state.finish(), offset - range.lowerBound)
    }
}
