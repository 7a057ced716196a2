import CLinux
import Glibc
import Kernel
import SystemPackage

/// Where a file of this machine has data, by lseek(2): all else of it reads as zeros.
enum SparseRanges {
    /// Segments that are told apart, 16 bytes of memory each; what is behind them counts as data.
    static let most = 65536
    /// Smaller files have no holes that pay for a call to the server.
    static let smallestFile: UInt64 = 64 << 10

    /// SEEK_DATA and SEEK_HOLE, which <unistd.h> shows only with _GNU_SOURCE.
    private static let seekData: Int32 = 3
    private static let seekHole: Int32 = 4

    /// - Parameter size: what is behind it does not count.
    static func data(of file: Int32, size: UInt64) throws(SystemError) -> RangeList {
        var data = RangeList()
        var offset: UInt64 = 0
        var found = 0
        while offset < size {
            guard found < most else {
                data.append(offset..<size)
                break
            }
            guard let start = try seek(file, offset, seekData), start < size else { break }
            let end = min(size, try seek(file, start, seekHole) ?? size)
            // A file system that says so would have this loop for ever.
            guard end > start else {
                data.append(start..<size)
                break
            }
            data.append(start..<end)
            offset = end
            found += 1
        }
        return data
    }

    /// - Returns: nil where there is none up to the end.
    private static func seek(_ file: Int32, _ offset: UInt64, _ whence: Int32) throws(SystemError) -> UInt64? {
        do throws(SystemError) {
            return UInt64(clamping: try systemCall("lseek") { lseek(file, off_t(clamping: offset), whence) })
        } catch {
            if error.errno == .noSuchAddressOrDevice { return nil }
            throw error
        }
    }

    /// Makes holes of the zeros that a range has, where whole pages of them are.
    static func punchZeros(_ file: Int32, _ range: Range<UInt64>) throws(SystemError) {
        let page: UInt64 = 4096
        let chunk: UInt64 = 64 << 10
        var start = (range.lowerBound + page - 1) / page * page
        var buffer = [UInt8](repeating: 0, count: Int(chunk))
        while start < range.upperBound {
            let count = min(chunk, range.upperBound - start)
            var result: Result<Bool, SystemError> = .success(false)
            buffer.withUnsafeMutableBytes { bytes in
                result = Result { () throws(SystemError) in
                    let part = UnsafeMutableRawBufferPointer(rebasing: bytes[..<Int(count)])
                    guard try Files.read(file, into: part, at: start) == part.count else { return false }
                    return isZero(UnsafeRawBufferPointer(part))
                }
            }
            if try result.get() { punch(file, start..<(start + count)) }
            start += count
        }
    }

    private static func isZero(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard let start = bytes.baseAddress else { return true }
        return bytes[0] == 0 && memcmp(start, start + 1, bytes.count - 1) == 0
    }

    /// A file system that has no holes keeps the zeros.
    private static func punch(_ file: Int32, _ range: Range<UInt64>) {
        _ = clinux_punch_hole(file, Int64(clamping: range.lowerBound), Int64(clamping: range.count))
    }
}
