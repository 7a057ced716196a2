import Glibc
import TestSupport

/// Makes, links, renames and removes names, and knows what has to be there.
///
/// A call whose answer was lost with its server is sent again, and NFSv3 cannot tell that from a new one: a name that is
/// made may then be there already, and one that is removed gone. That is taken where a server was killed meanwhile, and
/// nowhere else.
final class NameLoop: @unchecked Sendable {
    private let path: String
    private let restarts: () -> Int
    private var number = 0

    /// - Parameter restarts: how often the server was killed so far.
    init(in path: String, restarts: @escaping () -> Int) throws {
        self.path = path
        self.restarts = restarts
        guard mkdir(path, 0o755) == 0 else { throw Unexpected("mkdir \(path): errno \(errno)") }
    }

    /// To be called by one thread.
    func step() throws {
        number += 1
        let (file, other, moved) = ("\(path)/f\(number)", "\(path)/l\(number)", "\(path)/m\(number)")
        let (directory, symbolic) = ("\(path)/d\(number)", "\(path)/s\(number)")
        try write("\(number)", to: file)
        try call("mkdir", again: EEXIST) { mkdir(directory, 0o755) }
        try call("link", again: EEXIST) { link(file, other) }
        try call("rename", again: ENOENT) { rename(other, moved) }
        try call("symlink", again: EEXIST) { symlink("f\(number)", symbolic) }
        guard contents(of: moved) == "\(number)", contents(of: symbolic) == "\(number)",
            try status(of: file).st_ino == status(of: moved).st_ino
        else { throw Unexpected("\(moved) or \(symbolic) is not \(file)") }
        try call("rename", again: ENOENT) { rename(moved, directory + "/m") }
        try call("unlink", again: ENOENT) { unlink(directory + "/m") }
        try call("rmdir", again: ENOENT) { rmdir(directory) }
        try call("unlink", again: ENOENT) { unlink(symbolic) }
        // One of a hundred stays.
        if number % 100 != 0 { try call("unlink", again: ENOENT) { unlink(file) } }
    }

    private func call(_ name: String, again: Int32, _ body: () -> Int32) throws {
        let before = restarts()
        guard body() != 0 else { return }
        let number = errno
        // Counted while there is no server, which is before this call was sent again.
        guard number == again, restarts() != before else {
            throw Unexpected("\(name) in step \(self.number): \(String(cString: strerror(number)))")
        }
    }

    /// Nothing but what stays is there.
    func finish(_ path: String) throws {
        let wanted = stride(from: 100, through: number, by: 100).map { "f\($0)" }.sorted()
        let found = names(in: path)
        guard found == wanted else { throw Unexpected("\(path): \(found) and not \(wanted)") }
    }
}
