import Glibc
import Kernel
import NFS
import SystemPackage

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
        claim = TemporaryClaim(name, in: directory.identity)
        temporary = claim.name
        if let new = try Self.new(temporary, directory) {
            (file, left) = (SharedDescriptor(new), 0)
        } else if let old = Self.old(temporary, directory) {
            file = SharedDescriptor(old)
            left = UInt64(clamping: try Files.status(file.raw).st_size)
        } else {
            directory.remove(temporary)
            guard let new = try Self.new(temporary, directory) else { throw SystemError("openat", .fileExists) }
            (file, left) = (SharedDescriptor(new), 0)
        }
    }

    /// Nil where the name is taken.
    private static func new(_ name: FileName, _ directory: LocalDirectory) throws(SystemError) -> Descriptor? {
        do throws(SystemError) {
            return try directory.open(name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, mode: 0o600)
        } catch {
            guard error.errno == .fileExists else { throw error }
            return nil
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
