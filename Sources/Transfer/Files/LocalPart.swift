import Glibc
import Kernel
import NFS

/// A file of this machine that is not finished: at a temporary name beside the target until it is.
final class LocalPart: Sendable {
    /// For messages.
    let path: String
    let file: SharedDescriptor
    /// Bytes that an earlier run has left.
    let left: UInt64
    private let directory: LocalDirectory
    private let name: FileName
    private let temporary: FileName
    private let claim: TemporaryClaim

    /// Opens the part that an earlier run of this user has left, or makes a new one.
    init(of name: FileName, in directory: LocalDirectory) throws(SystemError) {
        self.name = name
        self.directory = directory
        path = directory.name(name)
        let status = try Files.status(directory.raw)
        claim = TemporaryClaim(name, in: "\(status.st_dev) \(status.st_ino)")
        temporary = claim.name
        if let old = Self.old(temporary, directory) {
            file = SharedDescriptor(old)
            left = UInt64(clamping: try Files.status(file.raw).st_size)
        } else {
            directory.remove(temporary)
            file = SharedDescriptor(
                try directory.open(temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, mode: 0o600))
            left = 0
        }
    }

    /// A file that nobody else can have put there or can write to.
    private static func old(_ name: FileName, _ directory: LocalDirectory) -> Descriptor? {
        guard let file = try? directory.open(name, O_RDWR | O_NOFOLLOW | O_NONBLOCK),
            let status = try? Files.status(file.raw), status.st_mode & S_IFMT == S_IFREG, status.st_nlink == 1,
            status.st_uid == geteuid(), status.st_mode & 0o022 == 0,
            // A run that was killed just before the rename had given it its final mode.
            fchmod(file.raw, 0o600) == 0
        else { return nil }
        return file
    }

    /// Gives it its final name; what has that now is replaced.
    func publish() throws(SystemError) { try directory.rename(temporary, to: name) }

    func discard() { directory.remove(temporary) }
}
