import Glibc
import Kernel

/// Files of a test's own, all bytes at once.
enum SmallFiles {
    static func write(_ bytes: [UInt8], to path: String) throws {
        let file = try Files.open(path, O_WRONLY | O_CREAT | O_TRUNC)
        try bytes.withUnsafeBytes { try Files.write(file.raw, $0, at: 0) }
    }

    /// - Returns: nil where there is no such file.
    static func read(_ path: String) -> [UInt8]? {
        guard let file = try? Files.open(path, O_RDONLY), let status = try? Files.status(file.raw) else { return nil }
        var bytes = [UInt8](repeating: 0, count: Int(status.st_size))
        guard (try? bytes.withUnsafeMutableBytes({ try Files.read(file.raw, into: $0, at: 0) })) == bytes.count else {
            return nil
        }
        return bytes
    }
}
