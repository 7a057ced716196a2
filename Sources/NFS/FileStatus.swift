import CLinux
package import Glibc

extension FileAttributes {
    /// Of what stat(2) tells.
    package init(_ status: stat) {
        let type: FileType =
            switch status.st_mode & S_IFMT {
            case S_IFDIR: .directory
            case S_IFLNK: .symbolicLink
            case S_IFBLK: .blockDevice
            case S_IFCHR: .characterDevice
            case S_IFSOCK: .socket
            case S_IFIFO: .fifo
            default: .regular
            }
        self.init(
            type: type, mode: UInt32(status.st_mode & 0o7777), linkCount: UInt32(clamping: status.st_nlink),
            uid: status.st_uid, gid: status.st_gid, size: UInt64(clamping: status.st_size),
            used: UInt64(clamping: status.st_blocks).multipliedReportingOverflow(by: 512).partialValue,
            deviceMajor: clinux_major(UInt64(status.st_rdev)), deviceMinor: clinux_minor(UInt64(status.st_rdev)),
            fileSystem: UInt64(status.st_dev), fileID: UInt64(status.st_ino),
            accessTime: NFSTime(seconds: status.st_atim.tv_sec, nanoseconds: status.st_atim.tv_nsec),
            modificationTime: NFSTime(seconds: status.st_mtim.tv_sec, nanoseconds: status.st_mtim.tv_nsec),
            changeTime: NFSTime(seconds: status.st_ctim.tv_sec, nanoseconds: status.st_ctim.tv_nsec))
    }
}
