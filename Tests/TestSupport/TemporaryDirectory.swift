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

    deinit { removeTree(path) }

    /// The names in a directory, without `.` and `..`.
    package static func names(in path: String) -> Set<String> { Set(TestSupport.names(in: path)) }
}
