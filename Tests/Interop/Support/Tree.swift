import Glibc
import TestSupport

/// Everything that stat(2) and readlink(2) say of a tree, and that a copy which preserves has to have: by name from its root.
struct Tree: Equatable {
    struct Entry: Equatable, CustomStringConvertible {
        var mode: mode_t
        var uid: uid_t
        var gid: gid_t
        var links: UInt64
        var size: Int
        var seconds: Int
        var nanoseconds: Int
        var target: String?

        var description: String {
            "mode \(String(mode, radix: 8)) owner \(uid):\(gid) links \(links) size \(size) "
                + "mtime \(seconds).\(nanoseconds)\(target.map { " -> \($0)" } ?? "")"
        }
    }

    private(set) var entries: [String: Entry] = [:]

    init(_ root: String) throws { try add(root, "") }

    private mutating func add(_ root: String, _ name: String) throws {
        let path = root + name
        let status = try status(of: path)
        let isDirectory = status.st_mode & S_IFMT == S_IFDIR
        var target: String?
        if status.st_mode & S_IFMT == S_IFLNK {
            var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
            let count = readlink(path, &buffer, buffer.count)
            guard count >= 0 else { throw Unexpected("readlink \(path): errno \(errno)") }
            target = String(decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }
        // The size and the links of a directory are its file system's own business.
        entries[name] = Entry(
            mode: status.st_mode, uid: status.st_uid, gid: status.st_gid,
            links: isDirectory ? 0 : UInt64(status.st_nlink),
            size: isDirectory ? 0 : status.st_size, seconds: status.st_mtim.tv_sec,
            nanoseconds: status.st_mtim.tv_nsec, target: target)
        if isDirectory { for child in names(in: path) { try add(root, "\(name)/\(child)") } }
    }

    /// What one has and the other has not, or has otherwise; empty where they are the same.
    func differences(from other: Tree) -> [String] {
        Set(entries.keys).union(other.entries.keys).sorted().compactMap { name in
            let (mine, theirs) = (entries[name], other.entries[name])
            guard mine != theirs else { return nil }
            return "\(name): \(mine.map { "\($0)" } ?? "not there") and \(theirs.map { "\($0)" } ?? "not there")"
        }
    }
}
