import Glibc
package import Kernel

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
        return !groups.isEmpty && Self.groups(of: caller.user).contains { groups.contains($0) }
    }

    /// The groups of a user in the system's data base; SO_PEERCRED tells the primary one alone.
    private static func groups(of user: uid_t) -> [gid_t] {
        // Many handshakes ask at once, and getpwuid(3) has one answer for all of them: another user's, then.
        var entry = passwd()
        var found: UnsafeMutablePointer<passwd>?
        var space = [CChar](repeating: 0, count: 65536)
        var list = [gid_t](repeating: 0, count: 256)
        var count = Int32(list.count)
        let isKnown = space.withUnsafeMutableBufferPointer { space in
            guard let start = space.baseAddress,
                getpwuid_r(user, &entry, start, space.count, &found) == 0, found != nil,
                let name = entry.pw_name
            else { return false }
            return getgrouplist(name, entry.pw_gid, &list, &count) >= 0
        }
        guard isKnown else { return [] }
        return Array(list.prefix(Int(count)))
    }
}

/// A name after `--allow` that the system does not know.
package struct UnknownCaller: Error, CustomStringConvertible {
    package let name: String
    package let kind: String
    package var description: String { "--allow: there is no \(kind) '\(name)'" }
}
