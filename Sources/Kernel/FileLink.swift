import CLinux
import Glibc
import SystemPackage

extension SystemError {
    /// Whether it says that a file system, or the kernel, has no files without a name: O_TMPFILE of open(2). EISDIR and
    /// ENOENT are of a kernel that does not know the flag.
    package var isLackOfUnnamedFiles: Bool {
        [.notSupported, .isDirectory, .noSuchFileOrDirectory, .invalidArgument].contains(errno)
    }
}

extension Files {
    /// Gives what a descriptor stands for a name, without replacing what has it: linkat(2). By /proc, since linking a
    /// descriptor itself takes a capability.
    ///
    /// - Parameters:
    ///   - name: in `directory`, ended by a NUL.
    ///   - isOwn: the thread acts as the process's own user, which may have that capability: it saves the way by /proc.
    /// - Throws: EEXIST where the name is taken.
    package static func link(
        _ descriptor: Int32, _ name: UnsafePointer<CChar>, in directory: Int32, isOwn: Bool = true
    ) throws(SystemError) {
        if isOwn {
            do throws(SystemError) {
                try systemCall("linkat", on: String(cString: name)) {
                    linkat(descriptor, "", directory, name, Int32(CLINUX_AT_EMPTY_PATH))
                }
                return
            } catch {
                guard error.errno == .noSuchFileOrDirectory else { throw error }
            }
        }
        try systemCall("linkat", on: String(cString: name)) {
            linkat(AT_FDCWD, "/proc/self/fd/\(descriptor)", directory, name, AT_SYMLINK_FOLLOW)
        }
    }
}
