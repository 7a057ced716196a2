import GRDB
import Kernel

/// How far the input was read, so that a run that goes on reads what comes behind.
struct InputPosition: Sendable, Equatable {
    /// Bytes, to the end of a line.
    var offset: UInt64 = 0
    /// Lines.
    var line: Int64 = 0
    /// The input has ended.
    var isComplete = false
    /// Of a file, the last bytes before ``offset``, ``tailLength`` at most: by them one is known that was changed meanwhile.
    var tail: [UInt8] = []

    private static let tailLength: UInt64 = 256

    init() {}

    init(_ store: JobStore) throws {
        offset = UInt64(try store.setting("input.offset") ?? "") ?? 0
        line = Int64(try store.setting("input.line") ?? "") ?? 0
        isComplete = try store.setting("input.complete") == "1"
        tail = (try store.setting("input.tail") ?? "").split(separator: " ").compactMap { UInt8($0) }
    }

    func store(_ set: (String, (any DatabaseValueConvertible)?) throws -> Void) throws {
        try set("input.offset", "\(offset)")
        try set("input.line", "\(line)")
        try set("input.complete", isComplete ? "1" : "0")
        try set("input.tail", tail.map { String($0) }.joined(separator: " "))
    }

    /// The bytes of `file` before ``offset``.
    func tail(of file: SharedDescriptor) throws(SystemError) -> [UInt8] {
        let count = min(offset, Self.tailLength)
        return try Files.read(file.raw, count: Int(count), at: offset - count)
    }
}
