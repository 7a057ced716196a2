import Glibc
import Kernel
import TestSupport

/// A directory of this run's own in a memory file system, with certificates, and what is copied in it:
///
///     served/file, served/tree    what is fetched and pushed
///     copy/, drop/                where to: fetches, pushes
///     pki/, log/, home/           certificates, what programs say, the measured programs' home
final class Workspace {
    let directory: String
    private let memory: KeptMemory?

    /// - Parameters:
    ///   - place: a directory in a memory file system.
    ///   - needed: bytes that must be free in it.
    init(in place: String, needed: Int) throws {
        try Machine.requireRoom(needed, in: place)
        var template = Array("\(place)/tlsd-bench-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Unexpected("mkdtemp in \(place): errno \(errno)") }
        directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        Cleanup.set(directory: directory)
        // A file that is there and one that comes, twice, since each comes while the last one's memory is given back
        memory = try KeptMemory(min(2 * needed, try Machine.room(in: place) / 2), in: directory)
        // Others' workers may be another user.
        chmod(directory, 0o755)
        for name in ["served", "copy", "drop", "log", "home"] { mkdir(path(name), 0o755) }
        for arguments in [
            ["init"], ["issue", "--file", "server", "--server", "localhost", "127.0.0.1"],
            ["issue", "--client", "client"],
        ] {
            try TimedProgram.run(
                [Programs.path("xfer"), "pki", arguments[0], "--directory", path("pki")] + arguments.dropFirst(), self)
        }
    }

    func path(_ name: String) -> String { "\(directory)/\(name)" }

    var anchors: String { path("pki/ca.pem") }
    var serverCertificate: String { path("pki/server.pem") }
    var serverKey: String { path("pki/server.key") }
    var clientCertificate: String { path("pki/client.pem") }
    var clientKey: String { path("pki/client.key") }

    /// Removes what is under a name, whatever it is.
    func remove(_ name: String) throws {
        // A server may have it open, and would free its memory when it closes it: in the midst of another measurement.
        var status = stat()
        if lstat(path(name), &status) == 0, status.st_mode & S_IFMT == S_IFREG { truncate(path(name), 0) }
        try TimedProgram.run(["rm", "-rf", path(name)], self)
    }

    /// Takes memory for so many bytes and gives it back, as a copy that follows at once will take it: what ``KeptMemory`` is
    /// for, where the host has taken it all the same.
    func warm(_ bytes: Int) throws {
        let name = path("warm")
        let file = try Files.open(name, O_WRONLY | O_CREAT | O_TRUNC)
        unlink(name)
        try KeptMemory.fill(file, bytes)
    }

    /// Removes all of it.
    func end() {
        _ = try? TimedProgram.run(["rm", "-rf", directory], self)
        Cleanup.set(directory: nil)
    }
}
