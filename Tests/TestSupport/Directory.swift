package import Glibc

/// A directory of a test's own, gone with everything in it afterwards.
package final class Directory: Sendable {
    package let path: String

    /// - Parameter place: /dev/shm, a tmpfs, or /tmp, which in the kTLS lab is a hostfs without file handles.
    package init(in place: String = "/dev/shm") throws {
        var template = Array("\(place)/tlsd-test-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Unexpected("mkdtemp in \(place): errno \(errno)") }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit { removeTree(path) }
}

/// Removes a directory and everything in it, whatever bytes the names are: not all are UTF-8. Links are not followed.
package func removeTree(_ path: String) { removeTree(path, in: AT_FDCWD) }

private func removeTree(_ name: UnsafePointer<CChar>, in parent: Int32) {
    let directory = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
    guard directory >= 0, let listing = fdopendir(directory) else {
        unlinkat(parent, name, 0)
        return
    }
    while let entry = readdir(listing) {
        withUnsafePointer(to: &entry.pointee.d_name) {
            $0.withMemoryRebound(to: CChar.self, capacity: Int(NAME_MAX) + 1) {
                if strcmp($0, ".") != 0 && strcmp($0, "..") != 0 { removeTree($0, in: directory) }
            }
        }
    }
    closedir(listing)
    unlinkat(parent, name, AT_REMOVEDIR)
}

/// The names in a directory but `.` and `..`, sorted.
package func names(in path: String, hidden: Bool = true) -> [String] {
    guard let listing = opendir(path) else { return [] }
    defer { closedir(listing) }
    var names: [String] = []
    while let entry = readdir(listing) {
        let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        if name != "." && name != ".." && (hidden || !name.hasPrefix(".")) { names.append(name) }
    }
    return names.sorted()
}

package func write(_ bytes: [UInt8], to path: String) throws {
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

package func write(_ text: String, to path: String, mode: mode_t = 0o644) throws {
    try write(Array(text.utf8), to: path)
    guard chmod(path, mode) == 0 else { throw Unexpected("chmod \(path): errno \(errno)") }
}

/// All bytes of a file; nil where there is none.
package func bytes(of path: String) -> [UInt8]? {
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

/// lstat(2)
package func status(of path: String) throws -> stat {
    var status = stat()
    guard lstat(path, &status) == 0 else { throw Unexpected("\(path): errno \(errno)") }
    return status
}

package func exists(_ path: String) -> Bool { (try? status(of: path)) != nil }

/// A file that has a size and no blocks.
package func sparse(_ path: String, _ size: Int) throws {
    let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard file >= 0, ftruncate(file, size) == 0 else { throw Unexpected("\(path): errno \(errno)") }
    close(file)
}

/// A tmpfs of so many bytes, for a test of what happens when it is full.
package final class SmallFileSystem: Sendable {
    package let path: String

    package init(at path: String, size: String) throws {
        self.path = path
        mkdir(path, 0o755)
        guard mount("none", path, "tmpfs", 0, "size=\(size)") == 0 else {
            throw Unexpected("mount \(path): errno \(errno)")
        }
    }

    deinit { umount2(path, Int32(MNT_DETACH)) }
}
