import CLinux
import Glibc
import Kernel

/// Has fetched files on the disk before they are recorded as done: one syncfs(2) for each file system that a transaction's
/// jobs wrote to, where an fsync(2) for each file would cost more than the copying.
///
/// What was pushed is on the server's disk when its copy ends.
enum FetchedFiles {
    /// - Parameter destinations: as the jobs have them: files, or directories that the copies are in.
    static func synchronize(_ destinations: [String]) throws(JobsError) {
        var directories: [dev_t: String] = [:]
        for path in destinations {
            let slash = path.lastIndex(of: "/")
            let above = slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
            var status = stat()
            // A file's directory, since the file itself need not be readable. The user may have moved either away by now.
            guard stat(path, &status) == 0 else { continue }
            directories[status.st_dev] = status.st_mode & S_IFMT == S_IFDIR ? path : above
        }
        for path in directories.values {
            guard let directory = try? Files.open(path, O_RDONLY | O_DIRECTORY) else { continue }
            do throws(SystemError) {
                try systemCall("syncfs", on: path) { clinux_syncfs(directory.raw) }
            } catch {
                throw JobsError("what was fetched is not safely on the disk: \(error)")
            }
        }
    }
}
