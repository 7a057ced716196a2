import Glibc
import TestSupport

/// Makes, links, renames and removes names, and knows what has to be there. Every call must succeed: one whose answer was
/// lost with its server is sent again, and gets the first answer.
final class NameLoop {
    private let path: String
    private var number = 0

    init(in path: String) throws {
        self.path = path
        guard mkdir(path, 0o755) == 0 else { throw Unexpected("mkdir \(path): errno \(errno)") }
    }

    func step() throws {
        number += 1
        let (file, other, moved) = ("\(path)/f\(number)", "\(path)/l\(number)", "\(path)/m\(number)")
        let (directory, symbolic) = ("\(path)/d\(number)", "\(path)/s\(number)")
        try write("\(number)", to: file)
        try call("mkdir") { mkdir(directory, 0o755) }
        try call("link") { link(file, other) }
        try call("rename") { rename(other, moved) }
        try call("symlink") { symlink("f\(number)", symbolic) }
        guard contents(of: moved) == "\(number)", contents(of: symbolic) == "\(number)",
            try status(of: file).st_ino == status(of: moved).st_ino
        else { throw Unexpected("\(moved) or \(symbolic) is not \(file)") }
        try call("rename into a directory") { rename(moved, directory + "/m") }
        try call("unlink in a directory") { unlink(directory + "/m") }
        try call("rmdir") { rmdir(directory) }
        try call("unlink of a symbolic link") { unlink(symbolic) }
        // One of ten stays.
        if number % 10 != 0 { try call("unlink") { unlink(file) } }
    }

    private func call(_ name: String, _ body: () -> Int32) throws {
        guard body() == 0 else { throw Unexpected("\(name) in step \(number): \(String(cString: strerror(errno)))") }
    }

    /// Nothing but what stays is there.
    func finish() throws {
        let wanted = stride(from: 10, through: number, by: 10).map { "f\($0)" }.sorted()
        let found = names(in: path)
        guard found == wanted else { throw Unexpected("\(path): \(found) and not \(wanted)") }
    }
}
