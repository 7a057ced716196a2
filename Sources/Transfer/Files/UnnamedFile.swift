import CLinux
import Glibc
import Kernel
import NFS
import SystemPackage

/// A new file of this machine that has no name until it is whole: O_TMPFILE of open(2). Nothing of it is left where the
/// process is killed.
struct UnnamedFile: ~Copyable {
    let file: Descriptor
    private let directory: LocalDirectory

    /// Nil where the file system has none.
    init?(in directory: LocalDirectory) throws(SystemError) {
        guard directory.hasUnnamedFiles else { return nil }
        do throws(SystemError) {
            file = try Files.open(at: directory.raw, ".", O_RDWR | Int32(CLINUX_O_TMPFILE), named: directory.path)
        } catch {
            guard error.isLackOfUnnamedFiles else { throw error }
            directory.lacksUnnamedFiles()
            return nil
        }
        self.directory = directory
    }

    /// Gives it its name.
    ///
    /// - Returns: false where something has the name.
    func publish(as name: FileName) throws(SystemError) -> Bool {
        do throws(SystemError) {
            try name.withCString { (name) throws(SystemError) in
                try Files.link(file.raw, name, in: directory.raw)
            }
            return true
        } catch {
            if error.errno == .fileExists { return false }
            throw error
        }
    }
}
