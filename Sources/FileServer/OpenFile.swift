import CLinux
import CProtocol
import Glibc
import Kernel
import NFS
import Synchronization

/// An object that a client has a handle of, and the descriptors of it that stay open.
final class OpenFile: Sendable {
    let export: ServedExport
    let handle: FileHandle
    let identity: Identity
    /// S_IFMT of its mode, which an inode keeps.
    let type: mode_t
    /// O_PATH: no right to the object is needed, and none is had. A file that was created here is simply open.
    let path: SharedDescriptor
    /// Changes that go through this server, for ``Change``.
    let changes = Mutex(Change.Count())
    let permissions = PermissionCache()
    private let opened: Mutex<(reader: SharedDescriptor?, writer: SharedDescriptor?)>

    /// - Parameters:
    ///   - path: of the object, O_PATH.
    ///   - created: `path` is not O_PATH but open for reading and writing, since the file was just created.
    init(
        _ export: ServedExport, _ handle: FileHandle, _ path: consuming Descriptor, _ status: stat,
        created: Bool = false
    ) {
        self.export = export
        self.handle = handle
        identity = Identity(status)
        type = status.st_mode & S_IFMT
        let path = SharedDescriptor(path)
        self.path = path
        opened = Mutex(created ? (path, path) : (nil, nil))
    }

    var isOpenForWriting: Bool { opened.withLock { $0.writer != nil } }
    var isDirectory: Bool { type == S_IFDIR }
    var isRegular: Bool { type == S_IFREG }
    var isRoot: Bool { identity == export.rootIdentity }

    /// fstat(2).
    ///
    /// - Throws: NFS3ERR_STALE where the object's last name is gone: an open descriptor would keep it alive for ever.
    func status() throws(NFSStatus) -> stat {
        let status = try nfs { () throws(SystemError) in try Files.status(path.raw) }
        guard status.st_nlink > 0 else { throw .stale }
        return status
    }

    func attributes() throws(NFSStatus) -> FileAttributes { FileAttributes(try status()) }

    /// For reading a regular file, or for fsync(2) of a directory; opened once.
    func reader() throws(NFSStatus) -> SharedDescriptor {
        try opened.withLock { opened throws(NFSStatus) in
            if let reader = opened.reader { return reader }
            let path = self.path.raw
            let reader = try reopen(path, O_RDONLY)
            opened.reader = reader
            return reader
        }
    }

    /// For writing a regular file; opened once.
    func writer() throws(NFSStatus) -> SharedDescriptor {
        try opened.withLock { opened throws(NFSStatus) in
            if let writer = opened.writer { return writer }
            let path = self.path.raw
            let writer = try reopen(path, O_WRONLY)
            opened.writer = writer
            return writer
        }
    }

    /// By the server's own user, for all callers: ``require(_:as:_:)`` looks at theirs.
    private func reopen(_ path: Int32, _ flags: Int32) throws(NFSStatus) -> SharedDescriptor {
        try ThreadCredentials.asProcess { () throws(NFSStatus) in
            SharedDescriptor(
                try nfs { () throws(SystemError) in try FileCalls.reopen(path, flags, isPlain: isRegular || isDirectory)
                })
        }
    }

    /// A descriptor to fsync by, where one is open already or can be opened. For reading where that will do: what is open
    /// for writing nobody can execute (ETXTBSY), and COMMIT asks nobody for the right to write.
    func anyOpened() throws(NFSStatus) -> SharedDescriptor {
        if let open = opened.withLock({ $0.writer ?? $0.reader }) { return open }
        do throws(NFSStatus) { return try reader() } catch { return try writer() }
    }
}

/// Runs system calls for a client: what the kernel refuses becomes NFS's error.
func nfs<R: ~Copyable>(_ body: () throws(SystemError) -> R) throws(NFSStatus) -> R {
    do throws(SystemError) {
        return try body()
    } catch {
        throw NFSStatus(error.errno)
    }
}
