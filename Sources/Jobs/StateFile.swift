import Glibc
import Kernel
import SystemPackage

/// Where a state is: a SQLite database with its `-wal` and `-shm`, and the `-lock` beside it.
package enum StateFile {
    /// The name in ``directory`` for the jobs of a file: recognizable, and another one for each absolute path.
    ///
    /// - Parameters:
    ///   - path: absolute.
    ///   - name: of one of several runs of the same file; empty for the only one.
    package static func name(for path: String, _ name: String) -> String {
        let base = path.split(separator: "/").last.map(String.init) ?? "jobs"
        // FNV-1a, 64 bits: the same path must find its state again, and two of a user's files must not meet.
        let hash = "\(path)\0\(name)".utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) {
            ($0 ^ UInt64($1)) &* 0x100_0000_01b3
        }
        let short = (String(base.utf8.prefix(100)) ?? "jobs") + (name.isEmpty ? "" : "-\(name)")
        return "\(short)-\(String(hash, radix: 16))\(suffix)"
    }

    package static let suffix = ".jobs"

    /// The absolute path of a file that need not be there; its directory's symbolic links resolved where it is.
    package static func absolute(_ path: String) -> String {
        if let real = realpath(path, nil) {
            defer { free(real) }
            return String(cString: real)
        }
        return path.hasPrefix("/") ? path : "\(workingDirectory)/\(path)"
    }

    package static var workingDirectory: String {
        guard let current = getcwd(nil, 0) else { return "/" }
        defer { free(current) }
        return String(cString: current)
    }

    /// Whether a file is a state: a SQLite database. What jobs are in it is looked at where it is opened.
    package static func isState(_ path: String) -> Bool {
        // A pipe that is opened and closed again takes its writer's SIGPIPE for it.
        var there = stat()
        guard stat(path, &there) == 0, there.st_mode & S_IFMT == S_IFREG,
            let file = try? Files.open(path, O_RDONLY | O_NONBLOCK),
            let status = try? Files.status(file.raw), status.st_mode & S_IFMT == S_IFREG,
            let bytes = try? Files.read(file.raw, count: 16, at: 0)
        else { return false }
        return bytes == Array("SQLite format 3\0".utf8)
    }

    package static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    /// Has the file there with mode 0600 before SQLite opens it, which gives its companions the same.
    ///
    /// - Throws: ``JobsError`` where it is somebody else's, or no regular file.
    static func prepare(_ path: String) throws(JobsError) {
        do throws(SystemError) {
            let file = try Files.open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, mode: 0o600)
            let status = try Files.status(file.raw)
            guard status.st_mode & S_IFMT == S_IFREG else { throw SystemError("open", .invalidArgument, on: path) }
            guard status.st_uid == geteuid() else { throw SystemError("open", .permissionDenied, on: path) }
            try systemCall("fchmod", on: path) { fchmod(file.raw, 0o600) }
        } catch {
            throw JobsError("the state of the jobs cannot be kept: \(error)")
        }
    }

    /// Whether a run has the state now.
    package static func isRunning(_ path: String) -> Bool { StateLock.isHeld(path) }

    /// Removes a state.
    ///
    /// - Throws: ``JobsError`` where a run has it, or it cannot be removed.
    package static func remove(_ path: String) throws(JobsError) {
        let lock = try StateLock(path)
        defer { withExtendedLifetime(lock) {} }
        try removeLocked(path)
    }

    static func removeLocked(_ path: String) throws(JobsError) {
        for suffix in ["", "-wal", "-shm", "-lock"] {
            guard unlink(path + suffix) == 0 || errno == ENOENT else {
                throw JobsError("\(path)\(suffix): \(Errno(rawValue: errno))")
            }
        }
    }
}
