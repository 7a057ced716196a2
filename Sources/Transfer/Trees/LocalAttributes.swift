import CLinux
import Glibc
import Kernel
import NFS

/// Gives files of this machine their attributes: owner, mode, times, in this order, since a change of the owner takes
/// set-ID bits away.
enum LocalAttributes {
    /// Of an open file or directory.
    static func set(_ attributes: SetAttributes, of file: Int32) throws(SystemError) {
        if attributes.uid != nil || attributes.gid != nil {
            try systemCall("fchown") { fchown(file, attributes.uid ?? .max, attributes.gid ?? .max) }
        }
        if let mode = attributes.mode { try systemCall("fchmod") { fchmod(file, mode_t(mode & 0o7777)) } }
        if let times = times(attributes) { try systemCall("futimens") { futimens(file, times) } }
    }

    /// Of an object by its name, never of what a symbolic link leads to.
    static func set(
        _ attributes: SetAttributes, of name: FileName, in directory: LocalDirectory, isLink: Bool
    ) throws(SystemError) {
        if attributes.uid != nil || attributes.gid != nil {
            try systemCall("fchownat", on: directory.name(name)) {
                name.withCString {
                    fchownat(
                        directory.raw, $0, attributes.uid ?? .max, attributes.gid ?? .max, AT_SYMLINK_NOFOLLOW)
                }
            }
        }
        // A symbolic link has no mode of its own.
        if let mode = attributes.mode, !isLink {
            // Held by its descriptor: fchmodat(2) of this kernel's time cannot be kept from following a link.
            let held = try directory.open(name, Int32(CLINUX_O_PATH) | O_NOFOLLOW)
            try systemCall("chmod", on: directory.name(name)) {
                chmod("/proc/self/fd/\(held.raw)", mode_t(mode & 0o7777))
            }
        }
        if let times = times(attributes) {
            try systemCall("utimensat", on: directory.name(name)) {
                name.withCString { utimensat(directory.raw, $0, times, AT_SYMLINK_NOFOLLOW) }
            }
        }
    }

    private static func times(_ attributes: SetAttributes) -> [timespec]? {
        if attributes.accessTime == nil && attributes.modificationTime == nil { return nil }
        return [attributes.accessTime, attributes.modificationTime].map { time in
            switch time {
            case .at(let time): timespec(tv_sec: Int(time.seconds), tv_nsec: Int(time.nanoseconds))
            case .now: timespec(tv_sec: 0, tv_nsec: utimeNow)
            case nil: timespec(tv_sec: 0, tv_nsec: utimeOmit)
            }
        }
    }

    /// UTIME_NOW and UTIME_OMIT, which Swift does not see: macros with a cast, utimensat(2).
    private static let utimeNow = (1 << 30) - 1
    private static let utimeOmit = (1 << 30) - 2
}
