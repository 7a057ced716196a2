import CLinux
import Glibc
import Kernel
import NFS
import Synchronization
import SystemPackage

/// A directory at this end: names are looked up in it by descriptor, whatever becomes of its path meanwhile.
final class LocalDirectory: Sendable {
    /// For messages.
    let path: String
    /// See ``TemporaryClaim``.
    let identity: TemporaryClaim.Directory
    private let descriptor: Descriptor
    private let lacksUnnamed = Atomic<Bool>(false)

    private init(path: String, _ descriptor: consuming Descriptor) throws(SystemError) {
        let status = try Files.status(descriptor.raw)
        self.path = path
        identity = .local(device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
        self.descriptor = descriptor
    }

    /// - Parameter path: as the user gave it; empty is the working directory.
    convenience init(path: String) throws(SystemError) {
        let path = path.isEmpty ? "." : path
        try self.init(path: path, try Files.open(path, O_RDONLY | O_DIRECTORY))
    }

    var raw: Int32 { descriptor.raw }

    /// Whether an ``UnnamedFile`` can be made in it, as far as is known.
    var hasUnnamedFiles: Bool { !lacksUnnamed.load(ordering: .relaxed) }
    func lacksUnnamedFiles() { lacksUnnamed.store(true, ordering: .relaxed) }

    func name(_ entry: FileName) -> String { path == "/" ? "/\(entry)" : "\(path)/\(entry)" }

    /// Opens a directory in it, without following a symbolic link.
    func directory(_ entry: FileName) throws(SystemError) -> LocalDirectory {
        try LocalDirectory(path: name(entry), try open(entry, O_RDONLY | O_DIRECTORY | O_NOFOLLOW))
    }

    func open(_ entry: FileName, _ flags: Int32, mode: mode_t = 0) throws(SystemError) -> Descriptor {
        let result = try systemCall("openat", on: name(entry)) {
            entry.withCString { Glibc.openat(descriptor.raw, $0, flags | O_CLOEXEC, mode) }
        }
        return Descriptor(takingOwnershipOf: result)
    }

    /// lstat(2); nil where there is no such name.
    func status(_ entry: FileName) throws(SystemError) -> stat? {
        var status = stat()
        do throws(SystemError) {
            try systemCall("fstatat", on: name(entry)) {
                entry.withCString { fstatat(descriptor.raw, $0, &status, AT_SYMLINK_NOFOLLOW) }
            }
            return status
        } catch {
            if error.errno == .noSuchFileOrDirectory { return nil }
            throw error
        }
    }

    /// Makes a directory; one that is there is as good.
    func makeDirectory(_ entry: FileName, mode: mode_t = 0o700) throws(SystemError) {
        do throws(SystemError) {
            try systemCall("mkdirat", on: name(entry)) { entry.withCString { mkdirat(descriptor.raw, $0, mode) } }
        } catch {
            guard error.errno == .fileExists, let there = try status(entry), there.st_mode & S_IFMT == S_IFDIR else {
                throw error
            }
        }
    }

    func rename(_ from: FileName, to: FileName) throws(SystemError) {
        try systemCall("renameat", on: name(to)) {
            from.withCString { from in to.withCString { renameat(descriptor.raw, from, descriptor.raw, $0) } }
        }
    }

    /// Removes a file; one that is gone is as good.
    func remove(_ entry: FileName) {
        _ = entry.withCString { unlinkat(descriptor.raw, $0, 0) }
    }

    func readLink(_ entry: FileName) throws(SystemError) -> FileName {
        var text = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = try systemCall("readlinkat", on: name(entry)) {
            entry.withCString { readlinkat(descriptor.raw, $0, &text, text.count) }
        }
        return FileName(text.prefix(count).map { UInt8(bitPattern: $0) })
    }

    /// Whether it has what cp(1) would copy besides: an access control list, capabilities, attributes of users' own.
    func hasExtendedAttributes(_ entry: FileName) -> Bool {
        let path = Array("/proc/self/fd/\(raw)/".utf8) + entry.bytes + [0]
        return path.withUnsafeBufferPointer { path in
            path.withMemoryRebound(to: CChar.self) { path in
                Self.hasExtendedAttributes { clinux_list_attributes(path.baseAddress, $0.baseAddress, $0.count) }
            }
        }
    }

    /// The same of an open file, which takes no way by /proc.
    static func hasExtendedAttributes(_ file: Int32) -> Bool {
        hasExtendedAttributes { clinux_list_attributes_of(file, $0.baseAddress, $0.count) }
    }

    private static func hasExtendedAttributes(_ list: (UnsafeMutableRawBufferPointer) -> Int) -> Bool {
        withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 8) { names in
            let count = list(names)
            // More names than there is room for are users' own: the system's are few.
            if count < 0 { return errno == ERANGE }
            if count == 0 { return false }
            return names.prefix(count).split(separator: 0).contains { name in
                ["user.", "system.posix_acl_", "security.capability"].contains { name.starts(with: $0.utf8) }
            }
        }
    }

    func makeLink(_ entry: FileName, to text: FileName) throws(SystemError) {
        try systemCall("symlinkat", on: name(entry)) {
            text.withCString { text in entry.withCString { symlinkat(text, descriptor.raw, $0) } }
        }
    }

    /// Puts something new in place of what has the name now, which is never a directory, in one step.
    ///
    /// - Parameter make: makes it under the temporary name that it is given.
    func replace(
        _ entry: FileName, _ make: (FileName) throws(SystemError) -> Void
    ) throws(SystemError) {
        let claim = TemporaryClaim(entry, in: identity)
        defer { withExtendedLifetime(claim) {} }
        let temporary = claim.name
        remove(temporary)
        do throws(SystemError) {
            try make(temporary)
            try rename(temporary, to: entry)
        } catch {
            remove(temporary)
            throw error
        }
        // rename(2) does nothing where both are names of one file.
        remove(temporary)
    }

    /// All names but `.` and `..`.
    func entries() throws(SystemError) -> [FileName] {
        // A description of its own, so that its position is nobody else's.
        let own = try Files.open(at: descriptor.raw, ".", O_RDONLY | O_DIRECTORY, named: path)
        var buffer = [UInt8](repeating: 0, count: 65536)
        var names: [FileName] = []
        while true {
            let count = try systemCall("getdents64", on: path) {
                buffer.withUnsafeMutableBytes { clinux_getdents64(own.raw, $0.baseAddress, $0.count) }
            }
            if count == 0 { return names }
            buffer.withUnsafeBytes { bytes in
                var at = 0
                // struct linux_dirent64: d_ino 8, d_off 8, d_reclen 2, d_type 1, d_name
                while at + 19 < count {
                    let length = Int(bytes.loadUnaligned(fromByteOffset: at + 16, as: UInt16.self))
                    let name = bytes[(at + 19)..<min(at + max(length, 20), count)].prefix { $0 != 0 }
                    if !name.elementsEqual(".".utf8) && !name.elementsEqual("..".utf8) { names.append(FileName(name)) }
                    at += max(length, 20)
                }
            }
        }
    }
}
