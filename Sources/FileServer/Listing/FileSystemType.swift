import CLinux
import Glibc
import Kernel

/// Which kind of file system something is on: f_type of statfs(2).
struct FileSystemType: Hashable, Sendable {
    private let magic: UInt64

    init(of descriptor: Int32) throws(SystemError) {
        var magic: UInt64 = 0
        try systemCall("fstatfs") { clinux_file_system_type(descriptor, &magic) }
        self.magic = magic
    }

    private func isOne(of types: clinux_file_system...) -> Bool { types.contains { UInt64($0.rawValue) == magic } }

    /// Whether a position in a directory stays the same entry's whatever is added and removed, also after the directory
    /// is opened anew. Elsewhere positions may be counts: what is removed before one moves the rest to the front.
    var keepsPositions: Bool {
        if isOne(of: CLINUX_TMPFS) { return Self.hasStableMemoryPositions }
        return isOne(of: CLINUX_EXT4, CLINUX_XFS, CLINUX_BTRFS)
    }

    /// Since Linux 6.6 (fs/libfs.c, simple_offset_add).
    private static let hasStableMemoryPositions: Bool = {
        var system = utsname()
        guard uname(&system) == 0 else { return false }
        let release = withUnsafeBytes(of: &system.release) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        return isRelease(release, atLeast: 6, 6)
    }()

    /// - Parameter release: such as 6.1.0-18-amd64, of uname(2).
    static func isRelease(_ release: String, atLeast major: Int, _ minor: Int) -> Bool {
        let numbers = release.split(omittingEmptySubsequences: false) { !$0.isASCII || !$0.isNumber }
        guard numbers.count >= 2, let first = Int(numbers[0]), let second = Int(numbers[1]) else { return false }
        return (first, second) >= (major, minor)
    }

    /// Whether name_to_handle_at(2) gives an inode's number and generation: the same for the inode's whole life, and not
    /// the same for two. FUSE and overlayfs answer as well, but with what changes.
    var hasLastingHandles: Bool { isOne(of: CLINUX_EXT4, CLINUX_XFS, CLINUX_BTRFS, CLINUX_TMPFS, CLINUX_F2FS) }

    /// Whether statx(2)'s birth time is the inode's own where it is given. A file of overlayfs gets another one when it
    /// is first written, and FUSE may make one up.
    var hasLastingBirthTimes: Bool { !isOne(of: CLINUX_OVERLAYFS, CLINUX_FUSE) }
}
