import Glibc
import Synchronization

/// What was written to files and is not on any disk yet.
package enum DirtyMemory {
    /// Nanoseconds that a look is good for: making the file takes the kernel as long as a few small files.
    private static let age: UInt64 = 50_000_000
    private static let last = Mutex<(at: UInt64, bytes: UInt64?)?>(nil)

    /// Bytes that wait to be written or are being written, or did so a moment ago: `Dirty` and `Writeback` of /proc/meminfo
    /// (proc(5)); nil where it cannot be read.
    package static func bytes() -> UInt64? {
        let now = Deadline.clock
        if let last = last.withLock({ $0 }), now &- last.at < age { return last.bytes }
        let bytes = read()
        last.withLock { $0 = (now, bytes) }
        return bytes
    }

    private static func read() -> UInt64? {
        guard let file = try? Files.open("/proc/meminfo", O_RDONLY),
            let text = try? Files.read(file.raw, count: 8192, at: 0)
        else { return nil }
        return bytes(in: text)
    }

    /// - Parameter text: of /proc/meminfo.
    static func bytes(in text: [UInt8]) -> UInt64? {
        var sum: UInt64 = 0
        var found = 0
        for line in text.split(separator: UInt8(ascii: "\n")) {
            let words = line.split(separator: UInt8(ascii: " "))
            guard let name = words.first, ["Dirty:", "Writeback:"].contains(where: { name.elementsEqual($0.utf8) })
            else { continue }
            guard words.count == 3, let value = UInt64(String(decoding: words[1], as: UTF8.self)), value < 1 << 40
            else {
                return nil
            }
            sum += value << 10
            found += 1
        }
        return found == 2 ? sum : nil
    }
}
