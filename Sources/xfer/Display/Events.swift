import Glibc
import Kernel
import NFS
import Synchronization
import Transfer

/// `--json`: what happens in a copy, as it happens, one object a line on standard output.
///
/// Every object has `event`. See ``help`` for the others' members.
final class Events: Sendable {
    /// For the commands' `--help`: the events, and what the commands end with.
    static let help = """
        --json writes one object a line to standard output, each with its "event":

          start     what, version (of this list: 1)
          item      action (create, update, attributes, hard-link, delete,
                    unchanged, skip, fail), type, path, bytes, reasons (type,
                    size, time, content, mode, owner, target), detail
          progress  once a second: bytes, total_bytes, files, total_files,
                    listed (whether the totals are final), rate (bytes a
                    second), seconds_left (null: unknown), in_flight (path,
                    bytes, total_bytes)
          notice    message: a lost connection, what is left out
          failure   message
          summary   the last one: status (the exit status), files, directories,
                    links, bytes, failed, left_out, seconds, rate, protection
                    (cipher, record_layer, peer; one for each kind of
                    connection)

        Exit status: 0 all done, 1 nothing could be copied, 2 the command line makes no sense, 3 some of it failed, \
        130 interrupted: the same command resumes.
        """

    private struct State {
        var isBroken = false
    }
    private let state = Mutex(State())
    private let descriptor: Int32

    /// Where messages go that are notices; nil where nobody asked for events.
    static let current = Mutex<Events?>(nil)

    init(_ descriptor: Int32 = STDOUT_FILENO) { self.descriptor = descriptor }

    /// Writes one event. Where standard output is gone that is said once, and the copy goes on.
    func write(_ event: String, _ members: [(name: String, value: JSON)]) {
        let line = JSON.object([("event", .string(event))] + members).description + "\n"
        let broken = state.withLock { state -> Int32? in
            if state.isBroken { return nil }
            var left = Array(line.utf8)[...]
            while !left.isEmpty {
                let count = left.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
                if count < 0 && errno == EINTR { continue }
                guard count > 0 else {
                    state.isBroken = true
                    return errno
                }
                left = left.dropFirst(count)
            }
            return nil
        }
        if let broken { Messages.write("xfer: events cannot be written: \(String(cString: strerror(broken)))") }
    }

    func notice(_ message: String) { write("notice", [("message", .string(message))]) }

    func item(_ item: Item) {
        var members: [(name: String, value: JSON)] = [
            ("action", .string(item.action.rawValue)), ("type", .string(Self.name(item.type))),
            ("path", .string(item.path)),
        ]
        if item.type == .regular { members.append(("bytes", .unsigned(item.bytes))) }
        if !item.reasons.isEmpty { members.append(("reasons", .array(item.reasons.map { .string($0.rawValue) }))) }
        if let detail = item.detail { members.append(("detail", .string(detail))) }
        write("item", members)
    }

    func progress(_ progress: Progress.Snapshot, files: [FileInFlight], rate: Double) {
        let missing = Double(max(0, progress.knownBytes - progress.doneBytes))
        write(
            "progress",
            [
                ("bytes", .integer(Int64(progress.doneBytes))), ("total_bytes", .integer(Int64(progress.knownBytes))),
                ("files", .integer(Int64(progress.doneFiles))), ("total_files", .integer(Int64(progress.knownFiles))),
                ("listed", .bool(progress.isComplete)), ("rate", .number(rate)),
                ("seconds_left", progress.isComplete && rate > 0 ? .number(missing / rate) : .null),
                (
                    "in_flight",
                    .array(
                        files.map {
                            .object([
                                ("path", .string($0.path)), ("bytes", .integer(Int64($0.doneBytes))),
                                ("total_bytes", .unsigned($0.bytes)),
                            ])
                        })
                ),
            ])
    }

    func summary(
        _ report: Report, status: Int32, seconds: Double, protections: [Session.ProtectionReport]
    ) {
        write(
            "summary",
            [
                ("status", .integer(Int64(status))), ("files", .integer(Int64(report.files))),
                ("directories", .integer(Int64(report.directories))), ("links", .integer(Int64(report.links))),
                ("bytes", .unsigned(report.bytes)), ("failed", .integer(Int64(report.failures.count))),
                ("left_out", .integer(Int64(report.skipped.count))), ("seconds", .number(seconds)),
                ("rate", .number(Summary.rate(report, seconds))),
                (
                    "protection",
                    .array(
                        protections.map {
                            .object([
                                ("cipher", .string($0.cipher)), ("record_layer", .string($0.recordLayer)),
                                ("peer", .string($0.peer)),
                            ])
                        })
                ),
            ])
    }

    private static func name(_ type: FileType) -> String {
        switch type {
        case .regular: "file"
        case .directory: "directory"
        case .symbolicLink: "symbolic-link"
        case .blockDevice: "block-device"
        case .characterDevice: "character-device"
        case .fifo: "fifo"
        case .socket: "socket"
        default: "unknown"
        }
    }
}
