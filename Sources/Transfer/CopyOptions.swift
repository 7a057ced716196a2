import Glibc

/// How files are copied.
package struct CopyOptions: Sendable {
    /// `-r`: directories with all that is in them.
    package var recursive = false
    /// `-p`: mode and modification time as the source has them; otherwise the mode less the umask, and the time of the copy.
    package var preserve = false
    /// `--fsync`: a fetched file is on the disk before it has its name.
    package var synchronize = false
    /// Files at once.
    package var jobs = 32
    /// Bits a copy's mode does not get.
    package var mask: UInt32 = CopyOptions.processMask

    package init() {}

    /// The mode a copy gets. Never the set-ID bits: a copy belongs to who makes it, and somebody's program that runs as
    /// its owner would be one that runs as root when root fetches it. cp(1) clears them too where it cannot keep the owner.
    func mode(_ source: UInt32) -> UInt32 { preserve ? source & 0o1777 : source & 0o777 & ~mask }

    /// umask(2) can be read only by setting it, so it is read once, before there are threads that make files.
    private static let processMask: UInt32 = {
        let mask = umask(0o022)
        umask(mask)
        return UInt32(mask)
    }()
}
