import CLinux
import Glibc
import Kernel
import NFS
import Synchronization

/// What READ and WRITE need of a file. They go by a descriptor that the server itself opened, once for all callers: so
/// the caller's right is asked for each time, as RFC 1813 section 4.4 has it.
enum DataAccess: Hashable, Sendable {
    case read
    case write
}

extension OpenFile {
    /// - Parameter identity: nil where the kernel asks itself, of the server's own user, when the file is opened.
    /// - Throws: NFS3ERR_ACCES.
    func require(_ access: DataAccess, as identity: FileIdentity?, _ attributes: FileAttributes) throws(NFSStatus) {
        guard let identity else { return }
        // RFC 1813 section 4.4: the owner could have opened it and then taken the right away, or created it without.
        if identity.uid == attributes.uid { return }
        let key = PermissionCache.Key(access: access, identity: identity)
        if permissions.allows(key, at: attributes.changeTime) { return }
        let isSettled = PermissionCache.isSettled(attributes.changeTime)
        let isAllowed = try ThreadCredentials.perform(as: identity, orThrow: { _ in NFSStatus.serverFault }) {
            () throws(NFSStatus) in
            // The same section: a program that is being run is read, though it may only be executed.
            return access == .read ? permits(R_OK) || permits(X_OK) : permits(W_OK)
        }
        guard isAllowed else { throw .accessDenied }
        if isSettled { permissions.add(key, at: attributes.changeTime) }
    }

    /// faccessat(2) for the user the thread acts as.
    func permits(_ mode: Int32) -> Bool {
        let effective: Int32 = 0x200  // AT_EACCESS
        return faccessat(path.raw, "", mode, Int32(CLINUX_AT_EMPTY_PATH) | effective) == 0
    }
}

/// Who was found to have a right to a file. Whatever changes that, changes the file's ctime: unless the ctime is of this
/// very moment, since the clock that files have ticks some hundred times a second, or once.
final class PermissionCache: Sendable {
    struct Key: Hashable, Sendable {
        let access: DataAccess
        let identity: FileIdentity
    }

    private static let limit = 16

    /// Whether any change from now on will show in a ctime that was this until now.
    static func isSettled(_ changeTime: NFSTime) -> Bool {
        Int(changeTime.seconds) + 2 < time(nil)
    }

    private let known = Mutex<[Key: NFSTime]>([:])

    func allows(_ key: Key, at changeTime: NFSTime) -> Bool { known.withLock { $0[key] == changeTime } }

    func add(_ key: Key, at changeTime: NFSTime) {
        known.withLock { known in
            if known.count >= Self.limit { known = [:] }
            known[key] = changeTime
        }
    }
}
