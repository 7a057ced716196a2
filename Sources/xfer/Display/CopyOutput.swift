import Glibc
import Kernel
import Synchronization
import Transfer

/// Everything that a copy says: while it runs, of what fails, and at its end.
final class CopyOutput: Sendable {
    enum Style: Sendable {
        /// Nothing but errors.
        case quiet
        /// A display where there is a terminal, and messages in lines.
        case lines
        /// ``Events``.
        case json
    }

    private let label: String
    private let isRepeatable: Bool
    private let style: Style
    private let events: Events?
    private let items: ItemOutput?
    private let protections = Mutex<[Session.ProtectionReport]>([])
    private let told = Atomic<Int>(0)

    /// - Parameters:
    ///   - label: what is copied, as a person should see it.
    ///   - items: gets each change, for `--itemize-changes` and `--dry-run`.
    ///   - isRepeatable: whether the same command makes the same copy; not one of what came out of a pipe.
    init(label: String, style: Style, items: ItemOutput? = nil, isRepeatable: Bool = true) {
        self.isRepeatable = isRepeatable
        self.items = items
        self.label = label
        self.style = style
        events = style == .json ? Events() : nil
    }

    /// How the bytes were protected on the way, for the summary; may be called for each server.
    func protected(by reports: [Session.ProtectionReport]) {
        protections.withLock { seen in
            for report in reports where !seen.contains(report) { seen.append(report) }
        }
    }

    /// Runs a copy and says what comes of it.
    ///
    /// - Parameter body: copies, and counts what it does in the progress.
    /// - Throws: ``ExitStatus`` where not all of it was done; what `body` throws.
    func run(_ body: (Progress) async throws -> Report) async throws {
        let start = Seconds.now
        var onItem: (@Sendable (Item) -> Void)?
        if let events { onItem = { events.item($0) } }
        if let items { onItem = items.add }
        let progress = Progress(
            onItem: onItem, onFailure: { [self] in tell($0) }, onSkip: { [self] in leaveOut($0) })
        events?.write("start", [("what", .string(label)), ("version", .integer(1))])
        if let events { Events.current.withLock { $0 = events } }
        defer { Events.current.withLock { $0 = nil } }
        // Lines of items and a display on one terminal would overwrite each other.
        let display =
            style == .lines && items?.isTerminal != true ? ProgressDisplay(progress, label: label) : nil
        let ticker = events.flatMap { EventTicker($0, progress) }
        let report: Report
        do {
            report = try await body(progress)
            display?.stop()
            ticker?.stop()
        } catch {
            display?.stop()
            ticker?.stop()
            ended(error, progress, seconds: Seconds.now - start)
            throw error
        }
        sayKept(progress)
        try ended(report, seconds: Seconds.now - start)
    }

    private func sayKept(_ progress: Progress) {
        if let kept = Summary.kept(progress.kept.count), style != .json {
            Messages.write("xfer: \(kept): run the same command again to go on")
        }
    }

    private func ended(_ report: Report, seconds: Double) throws {
        // Told as they happened, unless whoever copied gathered them by other means.
        if told.load(ordering: .relaxed) == 0 {
            for failure in report.failures { tell(failure) }
            for note in report.skipped { leaveOut(note) }
        }
        try items?.end()
        for note in report.notes { Messages.note(note, quiet: style == .quiet) }
        Messages.hint(report.failures)
        let status: ExitStatus? = report.failures.isEmpty ? nil : report.isNothing ? .nothing : .some
        let protections = protections.withLock { $0 }
        events?.summary(report, status: status?.rawValue ?? 0, seconds: seconds, protections: protections)
        if style == .lines { Messages.write(Summary.text(report, seconds: seconds, protections: protections)) }
        if let status { throw status }
    }

    private func ended(_ error: any Error, _ progress: Progress, seconds: Double) {
        let status = error as? ExitStatus
        let snapshot = progress.snapshot
        if status == .interrupted && style == .lines {
            let text = Summary.interrupted(snapshot, kept: progress.kept.count, isRepeatable: isRepeatable)
            Messages.write("xfer: \(text)")
        } else {
            sayKept(progress)
        }
        if status == nil { events?.write("failure", [("message", .string("\(error)"))]) }
        var report = Report()
        report.files = snapshot.doneFiles
        report.bytes = UInt64(clamping: snapshot.doneBytes)
        if status == nil { report.failures = [error] }
        let code = status ?? (error is UsageError ? .usage : .nothing)
        events?.summary(
            report, status: code.rawValue, seconds: seconds, protections: protections.withLock { $0 })
    }

    private func tell(_ failure: any Error) {
        told.wrappingAdd(1, ordering: .relaxed)
        // What fails since somebody wants to leave is no news.
        if Interrupts.isInterrupted { return }
        if let events {
            events.write("failure", [("message", .string("\(failure)"))])
        } else {
            Messages.error(failure)
        }
    }

    private func leaveOut(_ what: String) {
        told.wrappingAdd(1, ordering: .relaxed)
        Messages.note("left out: \(what)", quiet: style == .quiet)
    }
}

extension Report {
    /// Whether all of it failed.
    fileprivate var isNothing: Bool { files + links + hardLinks + unchanged + attributes + deleted == 0 }
}

/// Writes the event `progress` once a second.
private final class EventTicker: Sendable {
    private let stopped = Condition(false)
    private let thread: Thread

    init?(_ events: Events, _ progress: Progress) {
        let stopped = stopped
        let thread = try? Thread("events") {
            var rate = RateMeter()
            while stopped.wait(until: .after(seconds: 1), { $0 ? true : nil }) == nil {
                let snapshot = progress.snapshot
                rate.add(bytes: snapshot.doneBytes, at: Seconds.now)
                events.progress(
                    snapshot, files: progress.filesInFlight(ProgressLayout.fileLimit), rate: rate.perSecond)
            }
        }
        guard let thread else { return nil }
        self.thread = thread
    }

    func stop() {
        stopped.withLock(wake: true) { $0 = true }
        thread.join()
    }
}
