import Glibc
import Kernel
import NFS
import Synchronization
import SystemPackage
import Transfer

/// Standard output, for what was asked for: gathered into large writes, and given up in good order when nobody reads it
/// any more, or at Ctrl-C while its reader takes nothing.
final class Output: Sendable {
    /// Nobody reads the rest: no mistake, as with `cat FILE | head`.
    struct Closed: Error {}

    let isTerminal = isatty(STDOUT_FILENO) == 1
    /// A pipe opened once more, so that it can be non-blocking for this process alone; nil: standard output itself.
    private let pipe: SharedDescriptor?
    private let gathered = Mutex<[UInt8]>([])

    private static let large = 64 << 10

    init() {
        let status = try? Files.status(STDOUT_FILENO)
        guard let status, status.st_mode & S_IFMT == S_IFIFO,
            let opened = try? Files.open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK)
        else {
            pipe = nil
            return
        }
        pipe = SharedDescriptor(opened)
    }

    /// A name: as it is into a pipe or a file; without what would do things to a terminal on one.
    func shown(_ name: FileName) -> [UInt8] { isTerminal ? Array(List.printable(name).utf8) : Array(name.bytes) }

    func line(_ text: String) throws { try line(Array(text.utf8)) }

    func line(_ value: JSON) throws { try line(value.description) }

    /// Writes a line, later perhaps; at once to a terminal, which somebody looks at.
    func line(_ bytes: [UInt8]) throws {
        try gathered.withLock { gathered in
            gathered += bytes
            gathered.append(UInt8(ascii: "\n"))
            if isTerminal || gathered.count >= Self.large { try empty(&gathered) }
        }
    }

    /// Writes bytes at once, behind the lines.
    func bytes(_ bytes: ArraySlice<UInt8>) throws {
        try gathered.withLock { gathered in
            try empty(&gathered)
            try write(bytes)
        }
    }

    /// Writes what was gathered.
    ///
    /// - Throws: ``Closed``; ``OutputError``; CancellationError.
    func flush() throws { try gathered.withLock { try empty(&$0) } }

    private func empty(_ gathered: inout [UInt8]) throws {
        defer { gathered.removeAll(keepingCapacity: true) }
        try write(gathered[...])
    }

    private func write(_ bytes: ArraySlice<UInt8>) throws {
        let descriptor = pipe?.raw ?? STDOUT_FILENO
        var left = bytes
        // Its reader may take its time.
        EngineExecutor.mayBlock()
        while !left.isEmpty {
            do throws(SystemError) {
                let count = try nonblocking("write") {
                    left.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
                }
                if let count {
                    left = left.dropFirst(count)
                } else {
                    _ = try Poll.wait(descriptor, for: Poll.writable, until: .after(seconds: 0.1))
                }
            } catch {
                if error.errno == .brokenPipe { throw Closed() }
                throw OutputError(description: "standard output: \(error.errno)")
            }
            if !left.isEmpty { try Task.checkCancellation() }
        }
    }
}

/// Standard output takes no more, for another reason than that nobody reads it.
struct OutputError: Error, CustomStringConvertible {
    let description: String
}
