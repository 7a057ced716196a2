import Glibc

/// A small file of proc(5), read as often as it may be without being noticed.
///
/// - Returns: what it has, 16 KiB at most; nothing where it is not there (any more).
func processFile(_ path: String) -> Substring {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return "" }
    defer { close(file) }
    return withUnsafeTemporaryAllocation(byteCount: 16 << 10, alignment: 1) { buffer in
        let count = read(file, buffer.baseAddress, buffer.count)
        return Substring(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
    }
}
