import Glibc
import Kernel

/// Lines of a file or a pipe, however long it lasts.
struct LineReader {
    private let input: SharedDescriptor
    private let name: String
    private let stop: EventDescriptor
    private var buffer: [UInt8]
    private var start = 0
    private var end = 0
    private var hasEnded = false
    /// Bytes and lines that were returned.
    private(set) var offset: UInt64
    private(set) var line: Int64

    private static let block = 64 << 10

    /// - Parameters:
    ///   - position: where `input` stands.
    ///   - stop: readable when nobody wants lines any more.
    init(_ input: SharedDescriptor, named name: String, at position: InputPosition, stop: EventDescriptor) {
        self.input = input
        self.name = name
        self.stop = stop
        offset = position.offset
        line = position.line
        buffer = [UInt8](repeating: 0, count: Self.block)
    }

    /// Whether a further line is here already. Where none is, nobody should wait for what was read so far.
    var hasLine: Bool { lineEnd != nil }

    private var lineEnd: Int? {
        buffer.withUnsafeBytes { bytes in
            guard start < end, let base = bytes.baseAddress, let found = memchr(base + start, 10, end - start) else {
                return nil
            }
            return UnsafeRawPointer(found) - base
        }
    }

    /// The next line without its end; of one that is too long its first ``JobParser/longest`` + 1 bytes.
    ///
    /// - Returns: nil at the end of the input.
    /// - Throws: ``SystemError`` where it cannot be read; ``CancellationError``.
    mutating func next() throws -> [UInt8]? {
        var text: [UInt8] = []
        var isBegun = false
        while true {
            let found = lineEnd
            let upTo = found ?? end
            // A line that nobody will take fills no memory.
            text += buffer[start..<min(upTo, start + max(0, JobParser.longest + 1 - text.count))]
            isBegun = isBegun || upTo > start
            offset += UInt64(upTo - start)
            start = upTo
            if found != nil {
                start += 1
                offset += 1
                line += 1
                return text
            }
            if hasEnded {
                guard isBegun else { return nil }
                line += 1
                return text
            }
            try fill()
        }
    }

    private mutating func fill() throws {
        // A pipe may be silent for days while the run is to end.
        var wanted = [input.raw, stop.raw].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        try systemCall("poll", on: name) { poll(&wanted, 2, -1) }
        guard wanted[1].revents == 0 else { throw CancellationError() }
        end = try systemCall("read", on: name) { read(input.raw, &buffer, buffer.count) }
        start = 0
        hasEnded = end == 0
    }
}
