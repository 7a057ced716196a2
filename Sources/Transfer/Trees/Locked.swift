import Glibc
import NFS

/// Directories whose mode keeps their owner from changing what is in them: made writable while something is done in them,
/// as rsync(1) does. Root needs that nowhere.
enum Locked {
    static func isLocked(_ directory: FileAttributes) -> Bool { geteuid() != 0 && directory.mode & 0o300 != 0o300 }

    /// Whoever may not do this gets the error of what comes next, which says more.
    static func unlock<T: WritableTree>(_ directory: T.Directory, _ attributes: FileAttributes, in tree: T) async {
        try? await tree.set(SetAttributes(mode: attributes.mode | 0o700), of: directory)
    }
}
