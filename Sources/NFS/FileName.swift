package import CProtocol
import Glibc

/// A file's name, or a symbolic link's text: bytes, as the kernel has them, in no particular character set.
package struct FileName: Hashable, Sendable, ExpressibleByStringLiteral, CustomStringConvertible {
    /// The bytes, and a NUL that is not part of the name.
    private let terminated: [UInt8]

    package init(_ bytes: some Collection<UInt8>) {
        var terminated = [UInt8]()
        terminated.reserveCapacity(bytes.count + 1)
        terminated.append(contentsOf: bytes)
        terminated.append(0)
        self.terminated = terminated
    }

    /// NFS3_MAXNAME of Protocol/nfs3.x: what is decoded has no more.
    static let wireLimit = Int(NFS3_MAXNAME)

    package init(_ string: String) { self.init(string.utf8) }
    package init(stringLiteral value: String) { self.init(value) }

    package var bytes: ArraySlice<UInt8> { terminated.dropLast() }
    package var count: Int { terminated.count - 1 }

    // By all bytes at once: the array's own go one by one, and a listing hashes and compares each of its names.
    package func hash(into hasher: inout Hasher) { terminated.withUnsafeBytes { hasher.combine(bytes: $0) } }
    package static func == (a: FileName, b: FileName) -> Bool { a.terminated.isSame(as: b.terminated) }

    /// Whether it can name an entry of a directory: not empty, and neither a slash nor a NUL in it.
    package var isComponent: Bool {
        guard count > 0 else { return false }
        return terminated.withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress else { return false }
            return memchr(base, 0, count) == nil && memchr(base, Int32(UInt8(ascii: "/")), count) == nil
        }
    }

    /// `.` or `..`
    package var isDots: Bool {
        let dot = UInt8(ascii: ".")
        return count == 1 && terminated[0] == dot || count == 2 && terminated[0] == dot && terminated[1] == dot
    }

    /// For a person: as UTF-8, with a replacement character for what is not.
    package var description: String { String(decoding: bytes, as: UTF8.self) }

    /// The name without its NUL.
    func withBytes<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R {
        terminated.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0.dropLast())) }
    }

    /// The name as a C string. One with a NUL inside ends there: check names of the peer's before.
    package func withCString<R, E: Error>(_ body: (UnsafePointer<CChar>) throws(E) -> R) throws(E) -> R {
        try terminated.withUnsafeBufferPointer { (bytes) throws(E) -> R in
            guard let base = bytes.baseAddress else { fatalError("a name has at least its NUL") }
            return try body(UnsafeRawPointer(base).assumingMemoryBound(to: CChar.self))
        }
    }

    init(wire: filename3) { self.init(Array(length: wire.filename3_len, bytes: wire.filename3_val)) }
    init(wire: nfspath3) { self.init(Array(length: wire.nfspath3_len, bytes: wire.nfspath3_val)) }

    /// filename3
    package func name(_ arena: XDRArena) -> filename3 {
        filename3(filename3_len: UInt32(clamping: count), filename3_val: arena.copy(bytes))
    }

    /// nfspath3
    package func path(_ arena: XDRArena) -> nfspath3 {
        nfspath3(nfspath3_len: UInt32(clamping: count), nfspath3_val: arena.copy(bytes))
    }
}

/// diropargs3: a name in a directory (RFC 1813 section 2.6).
package struct DirectoryOperation: Hashable, XDRValue {
    package var directory: FileHandle
    package var name: FileName

    package init(_ directory: FileHandle, _ name: FileName) {
        self.directory = directory
        self.name = name
    }

    package static var routine: XDRRoutine<diropargs3> { xdr_diropargs3 }

    package init(_ wire: diropargs3) {
        directory = FileHandle(wire.dir)
        name = FileName(wire: wire.name)
    }

    package func wire(_ arena: XDRArena) -> diropargs3 {
        diropargs3(dir: directory.wire(arena), name: name.name(arena))
    }
}

extension [UInt8] {
    func isSame(as other: [UInt8]) -> Bool {
        guard count == other.count else { return false }
        return withUnsafeBytes { mine in
            other.withUnsafeBytes { theirs in
                guard let mine = mine.baseAddress, let theirs = theirs.baseAddress else { return true }
                return memcmp(mine, theirs, count) == 0
            }
        }
    }
}
