import Glibc
import NFS
import TestSupport

/// What git itself makes of patterns and paths.
final class GitIgnore: Sendable {
    /// Paths from the top, a slash behind those of directories.
    let paths: [[UInt8]]
    private let directory = TemporaryDirectory()

    static let isInstalled = (try? RunningProgram(["git", "--version"]).wait(seconds: 20).status) == 0

    /// - Parameter paths: as ``paths`` is; those above them are made too.
    init(_ paths: [[UInt8]]) throws {
        self.paths = paths
        for path in paths {
            let full = Array("\(directory.path)/tree/".utf8) + path
            for end in full.indices.dropFirst() where full[end] == UInt8(ascii: "/") {
                _ = FileName(full[..<end]).withCString { mkdir($0, 0o755) }
            }
            guard full.last != UInt8(ascii: "/") else { continue }
            let made = FileName(full).withCString { open($0, O_CREAT | O_WRONLY, 0o644) }
            guard made >= 0 else { throw Unexpected("cannot make \(String(decoding: path, as: UTF8.self))") }
            close(made)
        }
        let list = paths.map { $0.last == UInt8(ascii: "/") ? $0.dropLast() : $0[...] }.joined(separator: [0])
        try write(Array(list) + [0], to: directory.path + "/paths")
        let made = try RunningProgram(["git", "init", "-q", directory.path + "/tree"]).wait(seconds: 20)
        guard made.status == 0 else { throw Unexpected("git init: \(made.error)") }
    }

    /// The paths that a .gitignore of these lines has git ignore.
    func ignored(_ lines: [UInt8]) throws -> Set<[UInt8]> {
        try write(lines, to: directory.path + "/tree/.git/info/exclude")
        let script =
            "git -c core.excludesFile=/dev/null -C '\(directory.path)/tree' check-ignore --no-index -z --stdin"
            + " <'\(directory.path)/paths' >'\(directory.path)/ignored'"
        let ended = try RunningProgram(["sh", "-c", script], environment: ["GIT_CONFIG_NOSYSTEM=1"]).wait(seconds: 60)
        // 1: none of them.
        guard ended.status <= 1 else { throw Unexpected("git check-ignore: \(ended.error)") }
        guard let output = bytes(of: directory.path + "/ignored") else { throw Unexpected("no output of git") }
        return Set(output.split(separator: 0).map(Array.init))
    }
}
