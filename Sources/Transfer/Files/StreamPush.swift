import CLinux
import Glibc
import Kernel
import NFS
import SystemPackage

/// Pushes what comes out of a pipe, however much it is: under its final name only when the input has ended.
///
/// What was read stays in memory until the server has committed it, since a server that restarts may lose it and the pipe
/// does not give it twice.
struct StreamPush {
    let remote: Remote
    let rules: CopyRules
    let progress: Progress

    /// Bytes that are read, written and committed as one, and how many such pieces are in memory.
    private static let piece = 8 << 20
    private static let pieces = 8

    private static let name = "standard input"

    /// - Parameters:
    ///   - input: open for reading.
    ///   - directory: where the file goes.
    ///   - final: its name; what has it now is replaced.
    /// - Returns: bytes of the file.
    func run(_ input: Int32, into directory: RemoteDirectory, as final: FileName) async throws -> UInt64 {
        let flight = progress.begin(Self.name, bytes: 0)
        var isDone = false
        defer { progress.end(flight, isDone: isDone) }
        let part = try await RemotePart(of: final, in: directory, on: remote)
        do {
            if part.left > 0 {
                // A pipe is not read twice: what an earlier run has left is of no use.
                _ = try await remote.session.nfs(
                    NFS.SetAttr.self, NFS.SetAttr.Arguments(part.handle, SetAttributes(size: 0)), subject: part.path)
            }
            let bytes = try await write(input, to: part, flight)
            _ = try await remote.session.nfs(
                NFS.SetAttr.self,
                NFS.SetAttr.Arguments(
                    part.handle,
                    SetAttributes(mode: rules.mode(0o666), accessTime: .now, modificationTime: .now)),
                subject: part.path)
            try await part.publish()
            isDone = true
            return bytes
        } catch {
            await part.discard()
            throw error
        }
    }

    private func write(_ input: Int32, to part: RemotePart, _ flight: FileInFlight) async throws -> UInt64 {
        let memory = try local(Self.name) { () throws(SystemError) in
            SharedDescriptor(
                Descriptor(takingOwnershipOf: try systemCall("memfd_create") { clinux_memory_file("xfer") }))
        }
        let reader = try local(Self.name) { () throws(SystemError) in try StreamReader(input) }
        return try await withThrowingTaskGroup(of: Int.self) { group in
            var free = Array(0..<Self.pieces)
            var offset: UInt64 = 0
            while true {
                let place = if let some = free.popLast() { some } else { try await group.next() ?? 0 }
                let position = UInt64(place * Self.piece)
                let count = try await reader.fill(memory, at: position, count: Self.piece, named: Self.name)
                if count > 0 {
                    progress.grew(by: count)
                    let range = offset..<(offset + UInt64(count))
                    let writing = RangeWrite(
                        remote: remote, target: part.handle, path: part.path, file: memory, source: Self.name,
                        base: offset, position: position, flight: flight)
                    group.addTask {
                        try await writing.run(RangeList(range))
                        return place
                    }
                    offset = range.upperBound
                }
                if count < Self.piece { break }
            }
            try await group.waitForAll()
            return offset
        }
    }
}

/// Reads a pipe to where it ends, as long as nobody cancels that.
private final class StreamReader: Sendable {
    private let input: Int32
    private let cancelled: EventDescriptor

    init(_ input: Int32) throws(SystemError) {
        self.input = input
        cancelled = try EventDescriptor()
    }

    /// Bytes read at once.
    private static let chunk = 256 << 10

    /// - Returns: bytes that are in `file` from `position` on: `count`, or fewer where the input ended.
    func fill(_ file: SharedDescriptor, at position: UInt64, count: Int, named name: String) async throws -> Int {
        let done = try await withTaskCancellationHandler {
            try await Blocking.run("input") { [self] in
                Result { () throws(TransferError) in
                    try local(name) { () throws(SystemError) in try read(into: file, position, count) }
                }
            }
        } onCancel: {
            cancelled.signal()
        }
        try Task.checkCancellation()
        return done
    }

    private func read(into file: SharedDescriptor, _ position: UInt64, _ count: Int) throws(SystemError) -> Int {
        var buffer = [UInt8](repeating: 0, count: Self.chunk)
        var done = 0
        while done < count {
            var waiting = [
                pollfd(fd: input, events: Int16(POLLIN), revents: 0),
                pollfd(fd: cancelled.raw, events: Int16(POLLIN), revents: 0),
            ]
            try systemCall("poll") { poll(&waiting, 2, -1) }
            if waiting[1].revents != 0 { return done }
            let wanted = min(buffer.count, count - done)
            let got: Int
            do throws(SystemError) {
                got = try systemCall("read") { Glibc.read(input, &buffer, wanted) }
            } catch {
                // Somebody else has made the pipe non-blocking, and emptied it.
                if error.errno == .resourceTemporarilyUnavailable { continue }
                throw error
            }
            if got == 0 { break }
            try Files.write(file.raw, Array(buffer.prefix(got)), at: position + UInt64(done))
            done += got
        }
        return done
    }
}
