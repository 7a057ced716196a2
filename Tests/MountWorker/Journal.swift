import Glibc
import TestSupport

/// A file that is appended to, each record with fsync(2): what a data base does.
final class Journal {
    private let path: String
    private let file: Int32
    private var count = 0

    init(_ path: String) throws {
        self.path = path
        file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
        guard file >= 0 else { throw Unexpected("\(path): errno \(errno)") }
    }

    deinit { close(file) }

    func append() throws {
        let record = JournalRecord.record(count)
        guard write(file, record, record.count) == record.count, fsync(file) == 0 else {
            throw Unexpected("\(path), record \(count): \(String(cString: strerror(errno)))")
        }
        count += 1
    }
}
