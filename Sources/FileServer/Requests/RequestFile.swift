import Glibc
import Kernel
import SystemPackage

/// The file that remembers calls across a restart: a head and slots of one size.
///
/// It is written by pwrite(2) and not synchronized. What the process wrote is in the kernel, and outlives the process
/// however it ends; a crash of the machine may lose the last calls, as it breaks every connection.
final class RequestFile: Sendable {
    /// Why it is not used, in words.
    struct Unusable: Error, CustomStringConvertible {
        let description: String
    }

    let file: SharedDescriptor
    let slots: Int
    /// Why what was in the file is not used; nil where there was nothing or it is.
    let discarded: String?

    /// Opens the file, or makes it, with room for all slots.
    ///
    /// - Throws: ``Unusable`` where it cannot be had: another server has it, it is no file, the disk is full.
    init(_ path: String, slots: Int) throws(Unusable) {
        self.slots = slots
        do throws(SystemError) {
            let file = SharedDescriptor(try Files.open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK))
            let status = try Files.status(file.raw)
            guard status.st_mode & S_IFMT == S_IFREG else { throw SystemError("open", .invalidArgument, on: path) }
            try Self.lock(file.raw, path)
            self.file = file
            discarded = try Self.obstacle(file.raw, Int(status.st_size), slots)
            if discarded != nil { try systemCall("ftruncate", on: path) { ftruncate(file.raw, 0) } }
            // All of it now: a disk that fills up later does not matter then.
            let length = off_t(Self.offset(slots))
            try systemCall("posix_fallocate", on: path) { () -> Int32 in
                let failure = posix_fallocate(file.raw, 0, length)
                if failure == 0 { return 0 }
                errno = failure
                return -1
            }
            try Files.write(file.raw, Self.head(slots), at: 0)
        } catch {
            switch error.errno {
            case .resourceBusy: throw Unusable(description: "\(path): another server uses it")
            case .invalidArgument: throw Unusable(description: "\(path): it is no regular file")
            default: throw Unusable(description: "\(path): \(error.errno)")
            }
        }
    }

    /// How long a server that was killed may take to be gone, or a process that one has just started to close what it got.
    private static let patience = 2.0

    /// - Throws: EBUSY where another server has the file and keeps it.
    private static func lock(_ file: Int32, _ path: String) throws(SystemError) {
        let deadline = Deadline.after(seconds: patience)
        while true {
            do throws(SystemError) {
                try systemCall("flock") { flock(file, LOCK_EX | LOCK_NB) }
                return
            } catch {
                if error.errno != .wouldBlock { throw error }
                if deadline.hasPassed { throw SystemError("flock", .resourceBusy, on: path) }
            }
            Condition(()).wait(until: .after(seconds: 0.02)) { _ in nil as Void? }
        }
    }

    /// Where a slot begins: the head has a slot's length too.
    private static func offset(_ slot: Int) -> UInt64 { UInt64(slot + 1) * UInt64(RequestRecord.slotLength) }

    private static func head(_ slots: Int) -> [UInt8] {
        Array("tlsdreqs".utf8) + UInt32(1).bigEndianBytes + UInt32(RequestRecord.slotLength).bigEndianBytes
            + UInt32(clamping: slots).bigEndianBytes
    }

    /// Why the file's contents are of no use; nil where they are, or where there are none.
    private static func obstacle(_ file: Int32, _ size: Int, _ slots: Int) throws(SystemError) -> String? {
        if size == 0 { return nil }
        let wanted = head(slots)
        let found = try Files.read(file, count: wanted.count, at: 0)
        if found == wanted { return nil }
        guard found.prefix(8) == wanted.prefix(8) else { return "it is no file of requests" }
        return "another version of the server made it"
    }

    /// What the slots say, in the order the calls were begun.
    ///
    /// - Returns: the records, and how many slots are damaged.
    func records() throws(SystemError) -> (records: [(slot: Int, record: RequestRecord)], damaged: Int) {
        var records: [(slot: Int, record: RequestRecord)] = []
        var damaged = 0
        let step = 128
        for first in stride(from: 0, to: slots, by: step) {
            let bytes = try Files.read(
                file.raw, count: min(step, slots - first) * RequestRecord.slotLength, at: Self.offset(first))
            bytes.withUnsafeBytes { bytes in
                for start in stride(from: 0, to: bytes.count, by: RequestRecord.slotLength) {
                    let end = min(bytes.count, start + RequestRecord.slotLength)
                    switch RequestRecord.decode(UnsafeRawBufferPointer(rebasing: bytes[start..<end])) {
                    case .empty: break
                    case .damaged: damaged += 1
                    case .record(let record): records.append((first + start / RequestRecord.slotLength, record))
                    }
                }
            }
        }
        return (records.sorted { $0.record.sequence < $1.record.sequence }, damaged)
    }

    /// Sets a slot; empties it where `record` is nil, or has a reply too long for it.
    func write(_ record: RequestRecord?, at slot: Int) throws(SystemError) {
        let bytes = record?.encoded() ?? [UInt8](repeating: 0, count: RequestRecord.headLength)
        try Files.write(file.raw, bytes, at: Self.offset(slot))
    }
}
