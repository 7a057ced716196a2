import Glibc
import Kernel
import RPC
import SystemPackage

/// The password and group databases, asked in the way that many threads may (getpwnam_r(3), getgrouplist(3)).
enum UserDatabase {
    /// NGROUPS_MAX of Linux: what setgroups(2) takes.
    static let maximumGroups = 65536

    /// - Returns: nil where there is no such user.
    /// - Throws: ``SystemError`` where the database cannot be asked; E2BIG where the user has more groups than a process.
    static func user(named name: String) throws(SystemError) -> MappedUser? {
        try user("getpwnam_r", subject: name) { entry, space, size, found in
            getpwnam_r(name, entry, space, size, found)
        }
    }

    /// As ``user(named:)``, by the user's number.
    static func user(number: uid_t) throws(SystemError) -> MappedUser? {
        try user("getpwuid_r", subject: "\(number)") { entry, space, size, found in
            getpwuid_r(number, entry, space, size, found)
        }
    }

    private typealias Query = (
        UnsafeMutablePointer<passwd>, UnsafeMutablePointer<CChar>, Int,
        UnsafeMutablePointer<UnsafeMutablePointer<passwd>?>
    ) -> Int32

    private static func user(
        _ call: String, subject: String, _ ask: Query
    ) throws(SystemError) -> MappedUser? {
        var size = 16 << 10
        while true {
            let space = UnsafeMutablePointer<CChar>.allocate(capacity: size)
            defer { space.deallocate() }
            var entry = passwd()
            var found: UnsafeMutablePointer<passwd>?
            switch ask(&entry, space, size, &found) {
            case 0:
                guard found != nil, let name = entry.pw_name else { return nil }
                return MappedUser(
                    uid: entry.pw_uid, gid: entry.pw_gid, groups: try groups(of: name, primary: entry.pw_gid))
            // What other databases than files say of somebody they do not know: getpwnam(3), ERRORS.
            case ENOENT, ESRCH, EBADF, EPERM: return nil
            case EINTR: continue
            case ERANGE where size < 16 << 20: size *= 4
            case let code: throw SystemError(call, Errno(rawValue: code)).on(subject)
            }
        }
    }

    private static func groups(
        of name: UnsafePointer<CChar>, primary: gid_t
    ) throws(SystemError) -> [gid_t] {
        var room = 64
        while room <= maximumGroups {
            var list = [gid_t](repeating: 0, count: room)
            var count = Int32(room)
            if getgrouplist(name, primary, &list, &count) >= 0 { return Array(list.prefix(Int(count))) }
            // It says how many there are, which may be more at the next call.
            room = max(room * 2, min(Int(count), maximumGroups))
        }
        throw SystemError("getgrouplist", .argListTooLong).on(String(cString: name))
    }
}
