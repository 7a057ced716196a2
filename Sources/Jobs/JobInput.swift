import Glibc
import Kernel
import SystemPackage

/// Reads the input on a thread of its own, so far ahead as there is room.
final class JobInput: Sendable {
    /// A file's path, or `-` for standard input.
    let path: String
    private let file: SharedDescriptor
    private let from: InputPosition
    private let isSeekable: Bool
    private let parser: JobParser
    private let stopping: EventDescriptor

    /// Lines that are handed over at once.
    private static let batch = 500

    /// - Parameter position: where an earlier run stopped.
    /// - Throws: ``JobsError`` where it cannot be read, or is not what the earlier run read.
    init(_ path: String, at position: InputPosition, _ parser: JobParser) throws(JobsError) {
        self.path = path
        self.parser = parser
        from = position
        do throws(SystemError) {
            stopping = try EventDescriptor()
            file =
                path == "-"
                ? SharedDescriptor(
                    Descriptor(takingOwnershipOf: try systemCall("fcntl") { fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3) }))
                : SharedDescriptor(try Files.open(path, O_RDONLY))
            let status = try Files.status(file.raw)
            guard status.st_mode & S_IFMT != S_IFDIR else { throw SystemError("open", .isDirectory, on: path) }
            isSeekable = path != "-" && status.st_mode & S_IFMT == S_IFREG
            if isSeekable, position.offset > 0 {
                guard UInt64(clamping: status.st_size) >= position.offset, try position.tail(of: file) == position.tail
                else { throw SystemError("open", .staleNFSFileHandle, on: path) }
                _ = try systemCall("lseek", on: path) {
                    Int(lseek(file.raw, off_t(clamping: position.offset), SEEK_SET))
                }
            }
        } catch {
            guard error.errno != .staleNFSFileHandle else {
                throw JobsError(
                    """
                    \(path): what was read of it earlier has been changed, so what is left of it is not known; its jobs \
                    that are in the state go on with --resume STATE
                    """)
            }
            throw JobsError("the jobs cannot be read: \(error)")
        }
    }

    /// - Parameter take: is given lines and how far they reach, and blocks while there are too many; false ends it.
    func start(_ take: @escaping @Sendable (Result<([ParsedLine], InputPosition), any Error>) -> Bool)
        throws(SystemError)
    {
        try Thread.detached("jobs-input") { [self] in
            do {
                try read { take(.success($0)) }
            } catch is CancellationError {
            } catch {
                _ = take(.failure(JobsError("\(path == "-" ? "standard input" : path): \(error)")))
            }
        }
    }

    func stop() { stopping.signal() }

    private func read(_ take: (([ParsedLine], InputPosition)) -> Bool) throws {
        var reader = LineReader(file, named: path, at: from, stop: stopping)
        while true {
            var lines: [ParsedLine] = []
            var isComplete = false
            repeat {
                guard let text = try reader.next() else {
                    isComplete = true
                    break
                }
                let line = parser.parse(text, line: reader.line)
                if line != .blank { lines.append(line) }
            } while lines.count < Self.batch && reader.hasLine
            var position = InputPosition()
            position.offset = reader.offset
            position.line = reader.line
            position.isComplete = isComplete
            if isSeekable { position.tail = try position.tail(of: file) }
            guard take((lines, position)), !isComplete else { return }
        }
    }
}
