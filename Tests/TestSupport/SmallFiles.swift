import Glibc

/// A small file's text; empty where there is none.
package func contents(of path: String) -> String { String(decoding: bytes(of: path) ?? [], as: UTF8.self) }

/// A file's permission bits; 0 where there is none.
package func mode(of path: String) -> UInt32 {
    var status = stat()
    return stat(path, &status) == 0 ? status.st_mode & 0o7777 : 0
}
