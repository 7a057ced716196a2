import Glibc
import Kernel

/// Lines to standard output, and a note of how many of a transaction's are out.
///
/// They go in writes of at most PIPE_BUF bytes, which a pipe takes whole or not at all (pipe(7)), each noted at once: what a
/// run that is killed has written and what it noted differ by one such write at most.
struct OutputLines {
    private let descriptor: Int32
    private let lock: StateLock

    private static let atomicSize = 4096

    init(_ descriptor: Int32, _ lock: StateLock) {
        self.descriptor = descriptor
        self.lock = lock
    }

    /// - Parameter skip: lines that are out already.
    func write(_ lines: [String], batch: Int64, skipping skip: Int = 0) throws(JobsError) {
        var bytes: [UInt8] = []
        for (index, line) in lines.enumerated().dropFirst(skip) {
            let more = Array((line + "\n").utf8)
            if !bytes.isEmpty, bytes.count + more.count > Self.atomicSize {
                try write(bytes)
                try lock.note(batch: batch, lines: index)
                bytes = []
            }
            bytes += more
        }
        if bytes.isEmpty { return }
        try write(bytes)
        try lock.note(batch: batch, lines: lines.count)
    }

    private func write(_ bytes: [UInt8]) throws(JobsError) {
        var left = bytes[...]
        do throws(SystemError) {
            while !left.isEmpty {
                let count = try systemCall("write", on: "standard output") {
                    left.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
                }
                left = left.dropFirst(count)
            }
        } catch {
            throw JobsError("\(error)")
        }
    }
}
