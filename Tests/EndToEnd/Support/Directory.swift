import Glibc

/// A directory of a test's own, gone with everything in it afterwards.
final class Directory: Sendable {
    let path: String

    /// - Parameter place: /dev/shm, a tmpfs, or /tmp, which in the kTLS lab is a hostfs without file handles.
    init(in place: String = "/dev/shm") throws {
        var template = Array("\(place)/tlsd-test-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Unexpected("mkdtemp in \(place): errno \(errno)") }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit { Self.remove(path) }

    private static func remove(_ path: String) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        if status.st_mode & S_IFMT == S_IFDIR {
            for name in names(in: path, hidden: true) { remove(path + "/" + name) }
            if rmdir(path) != 0 && errno == ENOTEMPTY { removeRaw(path) }
        } else {
            unlink(path)
        }
    }

    /// Names that are no UTF-8.
    private static func removeRaw(_ path: String) {
        guard let listing = opendir(path) else { return }
        defer { closedir(listing) }
        while let entry = readdir(listing) {
            withUnsafePointer(to: entry.pointee.d_name) {
                _ = $0.withMemoryRebound(to: CChar.self, capacity: 256) { unlinkat(dirfd(listing), $0, 0) }
            }
        }
        rmdir(path)
    }
}

/// The names in a directory but `.` and `..`, sorted.
func names(in path: String, hidden: Bool = true) -> [String] {
    guard let listing = opendir(path) else { return [] }
    defer { closedir(listing) }
    var names: [String] = []
    while let entry = readdir(listing) {
        let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        if name != "." && name != ".." && (hidden || !name.hasPrefix(".")) { names.append(name) }
    }
    return names.sorted()
}

/// Bytes that look random and are the same each time.
func pattern(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
    var words = [UInt64](repeating: 0, count: (count + 7) / 8)
    var state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
    for index in words.indices {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        words[index] = state
    }
    return words.withUnsafeBytes { Array($0.prefix(count)) }
}

func write(_ bytes: [UInt8], to path: String) throws {
    let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard file >= 0 else { throw Unexpected("\(path): errno \(errno)") }
    defer { close(file) }
    var at = 0
    while at < bytes.count {
        let count = bytes.withUnsafeBytes { Glibc.write(file, $0.baseAddress.map { $0 + at }, $0.count - at) }
        guard count > 0 else { throw Unexpected("\(path): errno \(errno)") }
        at += count
    }
}

func write(_ text: String, to path: String) throws { try write(Array(text.utf8), to: path) }

/// All bytes of a file; nil where there is none.
func bytes(of path: String) -> [UInt8]? {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return nil }
    defer { close(file) }
    var all: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 20)
    while true {
        let count = read(file, &buffer, buffer.count)
        if count <= 0 { return all }
        all += buffer.prefix(count)
    }
}

func contents(of path: String) -> String { String(decoding: bytes(of: path) ?? [], as: UTF8.self) }

/// lstat(2)
func status(of path: String) throws -> stat {
    var status = stat()
    guard lstat(path, &status) == 0 else { throw Unexpected("\(path): errno \(errno)") }
    return status
}

func exists(_ path: String) -> Bool { (try? status(of: path)) != nil }

/// A file that has a size and no blocks.
func sparse(_ path: String, _ size: Int) throws {
    let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard file >= 0, ftruncate(file, size) == 0 else { throw Unexpected("\(path): errno \(errno)") }
    close(file)
}

/// A tmpfs of so many bytes, for a test of what happens when it is full.
final class SmallFileSystem: Sendable {
    let path: String

    init(at path: String, size: String) throws {
        self.path = path
        mkdir(path, 0o755)
        guard mount("none", path, "tmpfs", 0, "size=\(size)") == 0 else {
            throw Unexpected("mount \(path): errno \(errno)")
        }
    }

    deinit { umount2(path, Int32(MNT_DETACH)) }
}
