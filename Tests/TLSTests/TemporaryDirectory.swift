import Glibc

/// A directory of a test's own, gone with everything in it afterwards.
final class TemporaryDirectory {
    let path: String

    init() {
        var template = Array("/tmp/tlsd-test-XXXXXX".utf8CString)
        path = template.withUnsafeMutableBufferPointer { buffer in
            guard let start = buffer.baseAddress, let made = mkdtemp(start) else { return "/nonexistent" }
            return String(cString: made)
        }
    }

    deinit {
        Self.removeTree(path)
    }

    /// The names in a directory, without `.` and `..`.
    static func names(in path: String) -> Set<String> {
        guard let listing = opendir(path) else { return [] }
        defer { closedir(listing) }
        var names: Set<String> = []
        while let entry = readdir(listing) {
            names.insert(
                withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) })
        }
        return names.subtracting([".", ".."])
    }

    private static func removeTree(_ path: String) {
        for name in names(in: path) { removeTree(path + "/" + name) }
        remove(path)
    }
}

/// Writes a small file.
func write(_ text: String, to path: String, mode: mode_t = 0o600) {
    guard let file = fopen(path, "w") else { return }
    fputs(text, file)
    fclose(file)
    chmod(path, mode)
}

/// A small file's text.
func contents(of path: String) -> String {
    guard let file = fopen(path, "r") else { return "" }
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: 1 << 20)
    let count = fread(&bytes, 1, bytes.count, file)
    return String(decoding: bytes.prefix(count), as: UTF8.self)
}

func mode(of path: String) -> mode_t {
    var status = stat()
    return stat(path, &status) == 0 ? status.st_mode & 0o7777 : 0
}
