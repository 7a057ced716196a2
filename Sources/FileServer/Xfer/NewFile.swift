import CLinux
import Glibc
import Kernel
import NFS
import Synchronization
import SystemPackage

/// A file in the making: without a name where the file system can (O_TMPFILE, open(2)), otherwise under a temporary one.
/// It is gone when this object is, unless it was given its final name.
final class NewFile: @unchecked Sendable {
    // Unchecked: one call has it, and its thread.

    /// Open for reading and writing.
    let descriptor: SharedDescriptor
    private let server: FileServer
    private let directory: OpenFile
    private let temporary: FileName
    private let creator: FileIdentity?
    /// Whether it has the temporary name.
    private var isNamed: Bool

    /// Creates it, as whom the thread acts as. What has the temporary name is removed only where it is needed: it is a
    /// killed server's.
    ///
    /// - Parameter creator: who that is.
    init(
        _ server: FileServer, in directory: OpenFile, temporary: FileName, creator: FileIdentity?
    ) throws(NFSStatus) {
        self.server = server
        self.directory = directory
        self.temporary = temporary
        self.creator = creator
        if server.unnamedFiles, let unnamed = try Self.unnamed(in: directory) {
            (descriptor, isNamed) = (unnamed, false)
        } else {
            (descriptor, isNamed) = (try Self.named(server, temporary, in: directory), true)
        }
    }

    deinit { discard() }

    /// Takes back what was made, unless it has its final name.
    func discard() {
        guard isNamed else { return }
        // The connection may have ended on a thread that is nobody's.
        _ = try? ThreadCredentials.perform(as: creator, orThrow: { $0 }) { () throws(SystemError) in try unlink() }
        isNamed = false
    }

    /// Nil where the file system cannot.
    private static func unnamed(in directory: OpenFile) throws(NFSStatus) -> SharedDescriptor? {
        do throws(SystemError) {
            return SharedDescriptor(
                try FileCalls.open(beneath: directory.path.raw, ".", O_RDWR | Int32(CLINUX_O_TMPFILE), mode: 0o600))
        } catch {
            guard error.isLackOfUnnamedFiles else { throw NFSStatus(error.errno) }
            return nil
        }
    }

    private static func named(
        _ server: FileServer, _ temporary: FileName, in directory: OpenFile
    ) throws(NFSStatus) -> SharedDescriptor {
        try replacing(server, temporary, in: directory) { () throws(SystemError) in
            SharedDescriptor(
                try FileCalls.open(
                    beneath: directory.path.raw, temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, mode: 0o600))
        }
    }

    /// Makes the temporary name by `body`; what has it already is removed.
    private static func replacing<R>(
        _ server: FileServer, _ temporary: FileName, in directory: OpenFile, _ body: () throws(SystemError) -> R
    ) throws(NFSStatus) -> R {
        try server.temporaryNames.withLock { _ throws(NFSStatus) in
            for _ in 0..<10 {
                do throws(SystemError) {
                    return try body()
                } catch {
                    guard error.errno == .fileExists else { throw NFSStatus(error.errno) }
                }
                do throws(SystemError) {
                    try FileCalls.at("unlinkat", temporary) { unlinkat(directory.path.raw, $0, 0) }
                } catch {
                    guard error.errno == .noSuchFileOrDirectory else { throw NFSStatus(error.errno) }
                }
            }
            throw .jukebox
        }
    }

    /// Unless another call, perhaps the same one sent again, has put its own file there.
    private func unlink() throws(SystemError) {
        try server.temporaryNames.withLock { _ throws(SystemError) in
            if try hasTemporaryName() {
                try FileCalls.at("unlinkat", temporary) { unlinkat(directory.path.raw, $0, 0) }
            }
        }
        isNamed = false
    }

    /// Whether the temporary name is this file's.
    private func hasTemporaryName() throws(SystemError) -> Bool {
        let own = Identity(try Files.status(descriptor.raw))
        do throws(SystemError) {
            return Identity(try FileCalls.status(at: directory.path.raw, temporary)) == own
        } catch {
            if error.errno == .noSuchFileOrDirectory { return false }
            throw error
        }
    }

    /// Gives it its final name, in one step.
    ///
    /// - Parameter rename: moves the temporary name over the final one.
    /// - Throws: NFS3ERR_EXIST where the name is taken and `existing` keeps what has it; NFS3ERR_JUKEBOX where another call
    ///   took the temporary name.
    func publish(
        as name: FileName, _ existing: Xfer.Existing, rename: (FileName) throws(NFSStatus) -> Void
    ) throws(NFSStatus) {
        if existing == .keep || !isNamed {
            do throws(SystemError) {
                try FileCalls.link(descriptor.raw, name, in: directory.path.raw, isOwn: creator == nil)
                // It has its name, whatever becomes of the other.
                if isNamed { try? unlink() }
                return
            } catch {
                // Its temporary name was its only one, and is another call's by now.
                if isNamed, error.errno == .noSuchFileOrDirectory { throw .jukebox }
                guard error.errno == .fileExists, existing == .replace else { throw NFSStatus(error.errno) }
            }
        }
        if !isNamed {
            try Self.replacing(server, temporary, in: directory) { () throws(SystemError) in
                try FileCalls.link(descriptor.raw, temporary, in: directory.path.raw, isOwn: creator == nil)
            }
            isNamed = true
        }
        try server.temporaryNames.withLock { _ throws(NFSStatus) in
            // What another call is writing must not get the final name.
            guard try nfs({ () throws(SystemError) in try hasTemporaryName() }) else {
                isNamed = false
                throw .jukebox
            }
            try rename(temporary)
        }
        isNamed = false
    }

    /// Whether a file has the same bytes and mode: what an earlier process may have made of the same call.
    ///
    /// - Parameter count: bytes of this one, at most ``FileServer/putMaximum``.
    func isSame(as name: FileName, count: Int) throws(NFSStatus) -> Bool {
        let own = descriptor.raw
        return try nfs { () throws(SystemError) in
            let other = try FileCalls.open(beneath: directory.path.raw, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
            let (mine, found) = (try Files.status(own), try Files.status(other.raw))
            guard found.st_mode == mine.st_mode, found.st_size == mine.st_size else { return false }
            return try Files.read(own, count: count, at: 0) == Files.read(other.raw, count: count, at: 0)
        }
    }
}
