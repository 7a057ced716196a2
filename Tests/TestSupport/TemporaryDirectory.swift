import Glibc

/// A directory of a test's own, gone with everything in it afterwards.
package final class TemporaryDirectory: Sendable {
    package let path: String

    /// - Parameter parent: where it is made; what TMPDIR says, or /tmp, where nil.
    package init(in parent: String? = nil) {
        let parent = parent ?? getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var template = Array("\(parent)/tlsd-test-XXXXXX".utf8CString)
        path = template.withUnsafeMutableBufferPointer { buffer in
            guard let start = buffer.baseAddress, let made = mkdtemp(start) else {
                fatalError("no temporary directory in \(parent): \(String(cString: strerror(errno)))")
            }
            return String(cString: made)
        }
    }

    deinit { path.withCString { Self.remove($0, in: AT_FDCWD) } }

    /// The names in a directory, without `.` and `..`.
    package static func names(in path: String) -> Set<String> { Set(TestSupport.names(in: path)) }

    /// Whatever bytes the names are: not all are UTF-8.
    private static func remove(_ name: UnsafePointer<CChar>, in parent: Int32) {
        let directory = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard directory >= 0, let listing = fdopendir(directory) else {
            unlinkat(parent, name, 0)
            return
        }
        while let entry = readdir(listing) {
            withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: Int(NAME_MAX) + 1) {
                    if strcmp($0, ".") != 0 && strcmp($0, "..") != 0 { remove($0, in: directory) }
                }
            }
        }
        closedir(listing)
        unlinkat(parent, name, AT_REMOVEDIR)
    }
}
