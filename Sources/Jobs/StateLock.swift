import Glibc
import Kernel
import SystemPackage

/// One run at a time on a state: flock(2) on a file beside it, which ends with its process however that ends.
///
/// The file also has how many of the last transaction's lines have been written to standard output. That cannot be in the
/// database, which would have to know it before it is so.
final class StateLock: Sendable {
    private let file: SharedDescriptor

    /// - Throws: ``JobsError`` where another run has it.
    init(_ state: String) throws(JobsError) {
        let path = Self.path(state)
        do throws(SystemError) {
            file = SharedDescriptor(try Files.open(path, O_RDWR | O_CREAT | O_NOFOLLOW, mode: 0o600))
            try systemCall("flock", on: path) { flock(file.raw, LOCK_EX | LOCK_NB) }
            // A run that ended meanwhile may have removed it with its state: a lock that nobody else finds.
            var there = stat()
            let own = try Files.status(file.raw)
            guard stat(path, &there) == 0, there.st_dev == own.st_dev, there.st_ino == own.st_ino else {
                throw SystemError("flock", .wouldBlock, on: path)
            }
        } catch {
            guard error.errno == .wouldBlock else { throw JobsError("\(error)") }
            throw JobsError("\(state): another run of these jobs goes on")
        }
    }

    static func path(_ state: String) -> String { state + "-lock" }

    /// Whether a run has it now.
    static func isHeld(_ state: String) -> Bool {
        guard let file = try? Files.open(path(state), O_RDONLY | O_NOFOLLOW) else { return false }
        return flock(file.raw, LOCK_SH | LOCK_NB) != 0
    }

    /// Lines of the transaction `batch` that are written; pwrite(2), which outlives SIGKILL.
    func note(batch: Int64, lines: Int) throws(JobsError) {
        do throws(SystemError) {
            // Of one length, so that a shorter one leaves nothing of a longer one.
            let text = "\(Self.padded(Int64(lines))) lines of \(Self.padded(batch))\n"
            try Files.write(file.raw, Array(text.utf8), at: 0)
        } catch {
            throw JobsError("\(error)")
        }
    }

    /// What ``note(batch:lines:)`` noted; nil where it was nothing that can be read.
    var noted: (batch: Int64, lines: Int)? {
        guard let bytes = try? Files.read(file.raw, count: 64, at: 0) else { return nil }
        let words = String(decoding: bytes, as: UTF8.self).split(whereSeparator: { $0 == " " || $0 == "\n" })
        guard words.count == 4, let lines = Int(words[0]), let batch = Int64(words[3]), lines >= 0 else { return nil }
        return (batch, lines)
    }

    private static func padded(_ number: Int64) -> String {
        let digits = "\(number)"
        return String(repeating: "0", count: max(0, 20 - digits.count)) + digits
    }
}
