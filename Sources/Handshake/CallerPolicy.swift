import Glibc
package import Kernel
import RPC

/// Who may have a daemon do handshakes with its keys: root, the daemon's own user, and those named with `--allow`.
package struct CallerPolicy: Sendable {
    private var users: Set<uid_t>
    private var groups: Set<gid_t>

    /// - Parameter names: user names and numbers, and groups as `@name` or `@number`.
    /// - Throws: ``UnknownCaller`` naming the one that does not exist.
    package init(allowing names: [String] = []) throws(UnknownCaller) {
        users = [0, geteuid()]
        groups = []
        for name in names {
            if name.hasPrefix("@") {
                let group = String(name.dropFirst())
                guard let number = gid_t(group) ?? getgrnam(group)?.pointee.gr_gid else {
                    throw UnknownCaller(name: group, kind: "group")
                }
                groups.insert(number)
            } else {
                guard let number = uid_t(name) ?? getpwnam(name)?.pointee.pw_uid else {
                    throw UnknownCaller(name: name, kind: "user")
                }
                users.insert(number)
            }
        }
    }

    package func allows(_ caller: PeerCredentials) -> Bool {
        if users.contains(caller.user) || groups.contains(caller.group) { return true }
        // SO_PEERCRED tells the primary group alone.
        guard !groups.isEmpty, let user = try? UserDatabase.user(number: caller.user) else { return false }
        return user.groups.contains { groups.contains($0) }
    }
}

/// A name after `--allow` that the system does not know.
package struct UnknownCaller: Error, CustomStringConvertible {
    package let name: String
    package let kind: String
    package var description: String { "--allow: there is no \(kind) '\(name)'" }
}
