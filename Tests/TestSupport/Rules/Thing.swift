package import Glibc

/// Something in a tree of a test: how it is made, and how it should be found.
package struct Thing: Sendable {
    package enum Kind: Sendable {
        case file(String)
        /// Zeros with a text in their middle; whether they are a hole.
        case zeros(Int, around: String, isHole: Bool)
        case directory
        case link(String)
        /// Another name of a file before it.
        case hardLink(String)
        case fifo
    }

    /// Below the top, which is the empty path. Bytes that are no UTF-8 are written %FF, and % itself %25.
    package let path: String
    package let kind: Kind
    /// Nil: does not count.
    package var mode: UInt32?
    /// Seconds since 1970, of the last change of its content; nil: does not count.
    package var time: Int?

    package static func file(_ path: String, _ text: String, at time: Int? = 1000, mode: UInt32? = 0o644) -> Thing {
        Thing(path: path, kind: .file(text), mode: mode, time: time)
    }
    /// A file that is all hole but for a text.
    package static func sparse(_ path: String, _ size: Int, _ text: String) -> Thing {
        Thing(path: path, kind: .zeros(size, around: text, isHole: true), mode: 0o644, time: 1000)
    }
    /// The same with zeros that take their room on the disk.
    package static func zeros(_ path: String, _ size: Int, _ text: String) -> Thing {
        Thing(path: path, kind: .zeros(size, around: text, isHole: false), mode: 0o644, time: 1000)
    }
    package static func directory(_ path: String, at time: Int? = 2000, mode: UInt32? = 0o755) -> Thing {
        Thing(path: path, kind: .directory, mode: mode, time: time)
    }
    package static func link(_ path: String, _ text: String) -> Thing { Thing(path: path, kind: .link(text)) }
    package static func hardLink(_ path: String, to first: String) -> Thing {
        Thing(path: path, kind: .hardLink(first))
    }
    package static func fifo(_ path: String) -> Thing { Thing(path: path, kind: .fifo, mode: 0o600, time: 1000) }

    /// Bytes of a sparse file's data, at most.
    static let most = 64 << 10

    /// The path on the disk, ending in NUL.
    static func bytes(_ top: String, _ path: String) -> [CChar] {
        var bytes = Array(top.utf8) + (path.isEmpty ? [] : [UInt8(ascii: "/")])
        var rest = Array(path.utf8)[...]
        while let byte = rest.first {
            let digits = String(decoding: rest.dropFirst().prefix(2), as: UTF8.self)
            if byte == UInt8(ascii: "%"), let value = UInt8(digits, radix: 16) {
                bytes.append(value)
                rest = rest.dropFirst(3)
            } else {
                bytes.append(byte)
                rest = rest.dropFirst()
            }
        }
        return (bytes + [0]).map { CChar(bitPattern: $0) }
    }
}

/// A tree as it is on the disk.
package struct FoundTree: Sendable {
    package struct Found: Sendable, Equatable {
        var kind: String
        var mode: UInt32
        var time: Int
        var nanoseconds: Int
        package var inode: UInt64
        /// Of the last change of anything.
        var changed: [Int]
        var names: Int
    }

    package private(set) var things: [String: Found] = [:]
    /// Bytes that files take on the disk. A file system may give them out when it likes: no change counts.
    private var allocated: [String: Int] = [:]

    /// - Parameter top: nothing may be there; then there is nothing in it, and no top either.
    package init(_ top: String) { add(top, "") }

    private mutating func add(_ top: String, _ path: String) {
        let bytes = Thing.bytes(top, path)
        var status = stat()
        guard lstat(bytes, &status) == 0 else { return }
        var kind: String
        switch status.st_mode & S_IFMT {
        case S_IFDIR: kind = "directory"
        case S_IFREG: kind = "file: \(Self.text(bytes))"
        case S_IFLNK:
            var text = [CChar](repeating: 0, count: 4096)
            let count = max(0, readlink(bytes, &text, text.count))
            kind = "link: " + String(decoding: text.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        default: kind = "something else"
        }
        things[path] = Found(
            kind: kind, mode: status.st_mode & 0o7777, time: status.st_mtim.tv_sec,
            nanoseconds: status.st_mtim.tv_nsec, inode: UInt64(status.st_ino),
            changed: [status.st_ctim.tv_sec, status.st_ctim.tv_nsec], names: Int(status.st_nlink))
        allocated[path] = Int(status.st_blocks) * 512
        guard status.st_mode & S_IFMT == S_IFDIR, let listing = opendir(bytes) else { return }
        defer { closedir(listing) }
        while let entry = readdir(listing) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { Self.escaped(Array($0.prefix { $0 != 0 })) }
            if name != "." && name != ".." { add(top, path.isEmpty ? name : path + "/" + name) }
        }
    }

    private static func text(_ path: [CChar]) -> String {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        if file < 0 { return "?" }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0 else { return "?" }
        // One more, in case it has grown.
        var bytes = [UInt8](repeating: 0, count: Int(status.st_size) + 1)
        let count = max(0, read(file, &bytes, bytes.count))
        return text(bytes.prefix(count))
    }

    /// What is in a file, or which content it is where it is too long for a message.
    private static func text(_ bytes: ArraySlice<UInt8>) -> String {
        if bytes.count <= 4096 { return String(decoding: bytes, as: UTF8.self) }
        var hasher = Hasher()
        bytes.withUnsafeBytes { hasher.combine(bytes: $0) }
        return "\(bytes.count) bytes, \(hasher.finalize())"
    }

    private static func text(_ size: Int, around text: String) -> String {
        var bytes = [UInt8](repeating: 0, count: size)
        bytes.replaceSubrange(size / 2..<size / 2 + text.utf8.count, with: text.utf8)
        return self.text(bytes[...])
    }

    private static func escaped(_ name: [UInt8]) -> String {
        if let text = String(validating: name, as: UTF8.self) { return text.replacing("%", with: "%25") }
        return name.map { byte in
            if byte < 0x80 && byte != UInt8(ascii: "%") { return String(UnicodeScalar(byte)) }
            return "%" + String(byte, radix: 16, uppercase: true)
        }.joined()
    }

    /// What is not as it should be.
    package func problems(_ expected: [Thing]) -> [String] {
        var problems: [String] = []
        let wanted = Set(expected.map(\.path)).union([""])
        for path in Set(things.keys).subtracting(wanted).sorted() { problems.append("'\(path)' should not be there") }
        for thing in expected {
            guard let found = things[thing.path] else {
                problems.append("'\(thing.path)' is not there")
                continue
            }
            let kind: String
            switch thing.kind {
            case .file(let text): kind = "file: \(Self.text(Array(text.utf8)[...]))"
            case .zeros(let size, let text, let isHole):
                kind = "file: \(Self.text(size, around: text))"
                let bytes = allocated[thing.path] ?? 0
                if isHole ? bytes > Thing.most : bytes < size {
                    problems.append("'\(thing.path)' takes \(bytes) bytes of the disk for \(size)")
                }
            case .directory: kind = "directory"
            case .link(let text): kind = "link: \(text)"
            case .fifo: kind = "something else"
            case .hardLink(let first):
                if things[first]?.inode != found.inode { problems.append("'\(thing.path)' is not '\(first)'") }
                continue
            }
            if found.kind != kind { problems.append("'\(thing.path)' is \(found.kind), not \(kind)") }
            if let mode = thing.mode, found.mode != mode {
                problems.append("'\(thing.path)' has mode \(String(found.mode, radix: 8))")
            }
            if let time = thing.time, found.time != time || found.nanoseconds != Self.nanoseconds {
                problems.append("'\(thing.path)' has time \(found.time).\(found.nanoseconds), not \(time)")
            }
            if case .file = thing.kind {
                let names =
                    expected.filter { if case .hardLink(thing.path) = $0.kind { true } else { false } }.count + 1
                if found.names != names { problems.append("'\(thing.path)' has \(found.names) names, not \(names)") }
            }
        }
        return problems
    }

    /// What is another one than before, or was touched.
    package func changes(since before: FoundTree) -> [String] {
        Set(things.keys).union(before.things.keys).sorted().filter { things[$0] != before.things[$0] }
            .map { "'\($0)' was \(before.things[$0] as Any), is \(things[$0] as Any)" }
    }

    /// Of every time that a test sets: a copy keeps them to the nanosecond.
    static let nanoseconds = 123_456_789
}

/// Makes a tree, with the top.
///
/// - Parameter owner: whose it is; nil: the test's own.
package func makeTree(_ top: String, _ things: [Thing], owner: uid_t? = nil) throws {
    func check(_ result: Int32, _ thing: Thing) throws {
        if result != 0 { throw Unexpected("\(top)/\(thing.path): errno \(errno)") }
    }
    mkdir(top, 0o755)
    for thing in things {
        let path = Thing.bytes(top, thing.path)
        switch thing.kind {
        case .file(let text), .zeros(_, around: let text, _):
            let file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
            try check(file < 0 ? -1 : 0, thing)
            defer { close(file) }
            var start = 0
            if case .zeros(let size, _, _) = thing.kind {
                start = size / 2
                try check(ftruncate(file, size), thing)
            }
            let count = Array(text.utf8).withUnsafeBytes { pwrite(file, $0.baseAddress, $0.count, start) }
            try check(count == text.utf8.count ? 0 : -1, thing)
            // Which blocks it has is known when they are written.
            if start > 0 { fsync(file) }
        case .directory: if !thing.path.isEmpty { try check(mkdir(path, 0o755), thing) }
        case .link(let text): try check(symlink(text, path), thing)
        case .hardLink(let first): try check(Glibc.link(Thing.bytes(top, first), path), thing)
        case .fifo: try check(mkfifo(path, 0o600), thing)
        }
        if let owner { try check(lchown(path, owner, owner), thing) }
    }
    if let owner { chown(top, owner, owner) }
    // What is deeper first: each change above would be undone by one below.
    for thing in things.reversed() {
        let path = Thing.bytes(top, thing.path)
        if let mode = thing.mode { try check(chmod(path, mode), thing) }
        if let time = thing.time {
            let times = [
                timespec(tv_sec: 900, tv_nsec: 0), timespec(tv_sec: time, tv_nsec: FoundTree.nanoseconds),
            ]
            try check(utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW), thing)
        }
    }
}
