import CLinux
import Glibc

/// As whom a thread touches files: credentials(7), "Filesystem user ID and filesystem group ID".
package struct FileIdentity: Sendable, Hashable {
    package var uid: UInt32
    package var gid: UInt32
    /// The supplementary groups.
    package var groups: [UInt32]

    package init(uid: UInt32, gid: UInt32, groups: [UInt32] = []) {
        self.uid = uid
        self.gid = gid
        self.groups = groups
    }
}

/// Has one thread touch files as somebody else, whatever the other threads do meanwhile: setfsuid(2), setfsgid(2), and
/// setgroups(2) by the bare system call.
///
/// A thread whose file user is not root has none of root's rights to files (capabilities(7), "Effect of user ID changes
/// on capabilities"), and has them again when it is back.
package enum ThreadCredentials {
    /// The process's own identity.
    package static let process = FileIdentity(uid: geteuid(), gid: getegid(), groups: supplementaryGroups())

    /// Whether threads of this process may take on other identities: CAP_SETUID and CAP_SETGID; and root, since only a
    /// thread whose file user stops being root loses root's other rights to files with that, unless SECBIT_NO_SETUID_FIXUP
    /// has it keep them.
    package static let canChange =
        geteuid() == 0 && clinux_has_capability(UInt32(CLINUX_CAP_SETUID.rawValue))
        && clinux_has_capability(UInt32(CLINUX_CAP_SETGID.rawValue)) && !clinux_keeps_capabilities()

    /// Runs `body` with the calling thread acting as `identity`, and as before afterwards.
    ///
    /// - Parameter identity: nil is the process's own.
    /// - Throws: what `refused` makes of a ``SystemError``, EPERM or ENOMEM, where the kernel does not let it: `body` has
    ///   not run then; and what `body` throws.
    package static func perform<R: ~Copyable, E: Error>(
        as identity: FileIdentity?, orThrow refused: (SystemError) -> E, _ body: () throws(E) -> R
    ) throws(E) -> R {
        let current = current()
        let before = current.identity
        if before == identity { return try body() }
        // Asked of the kernel before the first change: later it would be told somebody else's groups.
        let process = Self.process
        do throws(SystemError) {
            try take(identity ?? process)
        } catch {
            giveBack(before)
            throw refused(error)
        }
        current.identity = identity
        defer {
            giveBack(before)
            current.identity = before
        }
        return try body()
    }

    /// ``perform(as:orThrow:_:)`` as the process's own user: back to what the thread was made with. Where even that is
    /// refused the process ends, as in ``giveBack(_:)``.
    package static func asProcess<R: ~Copyable, E: Error>(_ body: () throws(E) -> R) throws(E) -> R {
        try perform(as: nil, orThrow: { error in fatalError("the thread cannot be itself again: \(error)") }, body)
    }

    private static func take(_ identity: FileIdentity) throws(SystemError) {
        try systemCall("setgroups") { clinux_set_groups(identity.groups, identity.groups.count) }
        try systemCall("setfsuid") { clinux_set_file_ids(identity.uid, identity.gid) }
    }

    /// A thread that stayed somebody else would serve the next caller with that one's rights: better no server.
    private static func giveBack(_ identity: FileIdentity?) {
        do throws(SystemError) {
            try take(identity ?? process)
        } catch {
            fatalError("the thread cannot be itself again: \(error)")
        }
    }

    /// What the calling thread is acting as.
    private final class Current {
        var identity: FileIdentity?
    }

    private static let key: pthread_key_t = {
        var key = pthread_key_t()
        let status = pthread_key_create(&key) { box in
            if let box { Unmanaged<Current>.fromOpaque(UnsafeRawPointer(box)).release() }
        }
        // A process has 1024 of them, and this is the only one here: made once, before anything is served.
        precondition(status == 0, "no more thread-specific data keys")
        return key
    }()

    private static func current() -> Current {
        if let there = pthread_getspecific(key) { return Unmanaged<Current>.fromOpaque(there).takeUnretainedValue() }
        let new = Current()
        pthread_setspecific(key, UnsafeRawPointer(Unmanaged.passRetained(new).toOpaque()))
        return new
    }

    private static func supplementaryGroups() -> [UInt32] {
        let count = getgroups(0, nil)
        guard count > 0 else { return [] }
        var groups = [UInt32](repeating: 0, count: Int(count))
        let got = getgroups(count, &groups)
        return Array(groups.prefix(Int(max(0, got))))
    }
}
