import CLinux
import Glibc
import Kernel
import NFS
import SystemPackage

/// Calls on names as the peer gave them: bytes that need not be UTF-8.
enum FileCalls {
    /// openat2(2) that stays beneath `directory` and on its mount, and follows no symbolic link: not even the last
    /// component, for which CLINUX_O_PATH with O_NOFOLLOW gives the link itself.
    static func open(
        beneath directory: Int32, _ name: FileName, _ flags: Int32, mode: mode_t = 0
    ) throws(SystemError) -> Descriptor {
        let resolve =
            UInt64(CLINUX_RESOLVE_BENEATH) | UInt64(CLINUX_RESOLVE_NO_MAGICLINKS)
            | UInt64(CLINUX_RESOLVE_NO_SYMLINKS) | UInt64(CLINUX_RESOLVE_NO_XDEV)
        return Descriptor(
            takingOwnershipOf: try name.withCString { (name) throws(SystemError) -> Int32 in
                try systemCall("openat2", on: String(cString: name)) {
                    clinux_openat2(
                        directory, name, UInt64(UInt32(bitPattern: flags | O_CLOEXEC)), UInt64(mode), resolve)
                }
            })
    }

    /// What a client may do next with a file it only knows: O_PATH, of the object itself.
    static let path = Int32(CLINUX_O_PATH) | O_NOFOLLOW

    /// Opens once more what an O_PATH descriptor stands for, to read or to write: the very same object, whatever its
    /// name is by now.
    ///
    /// - Parameter isPlain: it is known to be a regular file or a directory, which an inode stays.
    static func reopen(_ descriptor: Int32, _ flags: Int32, isPlain: Bool) throws(SystemError) -> Descriptor {
        if isPlain { return try Files.open(at: AT_FDCWD, proc(descriptor), flags | O_NOCTTY, named: "the file") }
        // O_NONBLOCK: a FIFO would wait for its other end. Off again: splice(2) looks at it.
        let opened = try Files.open(at: AT_FDCWD, proc(descriptor), flags | O_NONBLOCK | O_NOCTTY, named: "the file")
        try opened.setNonblocking(false)
        return opened
    }

    /// ``Files/link(_:_:in:isOwn:)``: by default for a thread that acts as a caller.
    static func link(
        _ descriptor: Int32, _ name: FileName, in directory: Int32, isOwn: Bool = false
    ) throws(SystemError) {
        try name.withCString { (name) throws(SystemError) in
            try Files.link(descriptor, name, in: directory, isOwn: isOwn)
        }
    }

    /// AT_REMOVEDIR
    static let removeDirectory: Int32 = 0x200

    /// The way to an object by its descriptor, for calls that take a path alone.
    static func proc(_ descriptor: Int32) -> String { "/proc/self/fd/\(descriptor)" }

    static func status(at directory: Int32, _ name: FileName) throws(SystemError) -> stat {
        var status = stat()
        try name.withCString { (name) throws(SystemError) in
            _ = try systemCall("fstatat", on: String(cString: name)) {
                fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW)
            }
        }
        return status
    }

    /// Any call on a name in a directory.
    static func at(
        _ call: StaticString, _ name: FileName, _ body: (UnsafePointer<CChar>) -> Int32
    ) throws(SystemError) {
        try name.withCString { (name) throws(SystemError) in
            _ = try systemCall(call, on: String(cString: name)) { body(name) }
        }
    }
}

/// Which object a descriptor stands for.
struct Identity: Hashable, Sendable {
    let device: UInt64
    let inode: UInt64

    init(device: UInt64, inode: UInt64) {
        self.device = device
        self.inode = inode
    }

    init(_ status: stat) { self.init(device: UInt64(status.st_dev), inode: UInt64(status.st_ino)) }
}
