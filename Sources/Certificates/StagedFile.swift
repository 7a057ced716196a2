import Glibc
import Kernel
import SystemPackage

/// A file under a temporary name, complete and on the disk, that ``publish()`` gives its name in one step.
///
/// Nobody ever sees half of it under its final name. Dropped without being published, the temporary goes.
final class StagedFile {
    private let directory: Int32
    private let temporary: String
    private let name: String
    private var isPublished = false

    /// - Parameters:
    ///   - directory: a descriptor of the directory, which stays the caller's and open.
    ///   - mode: its permissions, whatever the process's umask.
    init(
        _ name: String, in directory: Int32, mode: mode_t, _ bytes: UnsafeRawBufferPointer
    ) throws(SystemError) {
        self.directory = directory
        self.name = name
        temporary = ".\(String(name.utf8.prefix(200)) ?? "file").\(UInt64.random(in: 0 ... .max))"
        // O_EXCL: nothing that lies in wait under the name, a symbolic link included, is written through.
        let file = try Files.open(at: directory, temporary, O_WRONLY | O_CREAT | O_EXCL, mode: mode, named: name)
        do throws(SystemError) {
            try systemCall("fchmod", on: name) { fchmod(file.raw, mode) }
            try Files.write(file.raw, bytes, at: 0)
            try systemCall("fsync", on: name) { fsync(file.raw) }
            try file.close()
        } catch {
            unlinkat(directory, temporary, 0)
            isPublished = true
            throw error.on(name)
        }
    }

    deinit { if !isPublished { unlinkat(directory, temporary, 0) } }

    func publish() throws(SystemError) {
        try systemCall("renameat", on: name) { renameat(directory, temporary, directory, name) }
        isPublished = true
    }
}

/// A directory that one process at a time changes (flock(2)).
struct LockedDirectory: ~Copyable {
    private let descriptor: Descriptor

    var raw: Int32 { descriptor.raw }

    init(_ path: String) throws(SystemError) {
        let opened = try Files.open(path, O_RDONLY | O_DIRECTORY)
        try systemCall("flock", on: path) { flock(opened.raw, LOCK_EX) }
        descriptor = opened
    }

    func has(_ name: String) throws(SystemError) -> Bool {
        do throws(SystemError) {
            _ = try Files.status(at: raw, name)
            return true
        } catch {
            if error.errno == .noSuchFileOrDirectory { return false }
            throw error
        }
    }

    /// Puts what was published on the disk.
    func synchronize() throws(SystemError) {
        try systemCall("fsync") { fsync(descriptor.raw) }
    }
}
