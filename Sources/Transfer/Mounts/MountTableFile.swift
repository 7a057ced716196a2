import Glibc
import Kernel
import SystemPackage

/// Where the table of short names is kept: read whole, changed under a lock, and never there half written.
package struct MountTableFile: Sendable {
    package let path: String

    /// - Parameter path: its directory is made by who changes it.
    package init(_ path: String) { self.path = path }

    /// Bytes a table may have.
    private static let limit = 1 << 20

    /// The table; an empty one where there is no file.
    ///
    /// - Throws: ``TransferError`` where it cannot be read, ``UsageError`` naming a line that makes no sense.
    package func read() throws -> MountTable {
        let file: SharedDescriptor
        do throws(SystemError) {
            file = SharedDescriptor(try Files.open(path, O_RDONLY))
        } catch {
            if error.errno == .noSuchFileOrDirectory { return MountTable() }
            throw TransferError(.local, "the table of mounted names: \(error)")
        }
        let bytes = try local { () throws(SystemError) in try Files.read(file.raw, count: Self.limit + 1, at: 0) }
        guard bytes.count <= Self.limit, let text = String(validating: bytes, as: UTF8.self) else {
            throw TransferError(.local, "\(path): no table of mounted names: it is too large, or not UTF-8")
        }
        return try MountTable(text, file: path)
    }

    /// Changes the table; nobody else changes it meanwhile, and who reads it sees the old or the new one.
    ///
    /// - Throws: what `body` throws, and what ``read()`` does.
    package func change<R>(_ body: (inout MountTable) throws -> R) throws -> R {
        // A lock of its own: the table itself is another file after each change.
        let lock = try local { () throws(SystemError) in
            let lock = try Files.open(path + ".lock", O_RDWR | O_CREAT, mode: 0o600)
            try systemCall("flock", on: path + ".lock") { flock(lock.raw, LOCK_EX) }
            return SharedDescriptor(lock)
        }
        defer { withExtendedLifetime(lock) {} }
        var table = try read()
        let before = table
        let result = try body(&table)
        if table != before { try write(table) }
        return result
    }

    private func write(_ table: MountTable) throws {
        // Where people keep such files elsewhere, the symbolic link stays one.
        let real = realpath(path, nil)
        defer { free(real) }
        let target = real.map { String(cString: $0) } ?? path
        let temporary = "\(target).new"
        try local { () throws(SystemError) in
            let file = try Files.open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode: 0o600)
            do throws(SystemError) {
                // One that was left by somebody who was killed may have had another mode.
                try systemCall("fchmod", on: temporary) { fchmod(file.raw, 0o600) }
                try Files.write(file.raw, Array(table.text.utf8), at: 0)
                try systemCall("fsync", on: temporary) { fsync(file.raw) }
                try systemCall("rename", on: target) { rename(temporary, target) }
            } catch {
                unlink(temporary)
                throw error
            }
        }
    }

    private func local<R>(_ body: () throws(SystemError) -> R) throws(TransferError) -> R {
        do throws(SystemError) {
            return try body()
        } catch {
            throw TransferError(.local, "the table of mounted names cannot be kept: \(error)")
        }
    }
}
