import Glibc
import Kernel
import Transfer

/// Says on a terminal how far a copy is: ten times a second in place, or on one that cannot do that (`TERM=dumb`) a line
/// now and then. Into a pipe it writes nothing.
final class ProgressDisplay: Sendable {
    private let stopped = Condition(false)
    private let thread: Thread

    /// Seconds between two frames; before the first one, so that what is done at once shows none; between plain lines.
    private static let (frame, delay, interval) = (0.1, 0.3, 5.0)

    /// - Returns: nil where standard error is no terminal.
    init?(_ progress: Progress, label: String) {
        guard isatty(STDERR_FILENO) == 1 else { return nil }
        let (stopped, settings) = (stopped, TerminalSettings.environment)
        let thread = try? Thread("display") {
            if settings.canMove {
                Self.draw(progress, label, settings, stopped)
            } else {
                Self.tell(progress, label, stopped)
            }
        }
        guard let thread else { return nil }
        self.thread = thread
    }

    /// Takes the display away; messages stay.
    func stop() {
        stopped.withLock(wake: true) { $0 = true }
        thread.join()
    }

    private static func draw(
        _ progress: Progress, _ label: String, _ settings: TerminalSettings, _ stopped: Condition<Bool>
    ) {
        let continued = try? Continued()
        var rate = RateMeter()
        var wait = delay
        while stopped.wait(until: .after(seconds: wait), { $0 ? true : nil }) == nil {
            wait = frame
            // The shell wrote over it while this process was stopped.
            if continued?.take() ?? false { Screen.shared.forget() }
            let snapshot = progress.snapshot
            rate.add(bytes: snapshot.doneBytes, at: Seconds.now)
            // Asked for each frame: a terminal that was resized is drawn right within a tenth of a second.
            let size = Terminal.size(STDERR_FILENO)
            let files = progress.filesInFlight(ProgressLayout.fileLines(rows: size.rows)).map {
                ProgressLayout.File(path: $0.path, bytes: $0.bytes, doneBytes: $0.doneBytes)
            }
            let lines = ProgressLayout.lines(
                snapshot, files: files, label: label, rate: rate.perSecond, size: size)
            Screen.shared.draw(lines, columns: size.columns, colored: settings.isColored)
        }
        Screen.shared.clear()
    }

    private static func tell(_ progress: Progress, _ label: String, _ stopped: Condition<Bool>) {
        var rate = RateMeter()
        var next = Seconds.now + interval
        while stopped.wait(until: .after(seconds: 1), { $0 ? true : nil }) == nil {
            let snapshot = progress.snapshot
            rate.add(bytes: snapshot.doneBytes, at: Seconds.now)
            guard Seconds.now >= next else { continue }
            next += interval
            Messages.write(
                ProgressLayout.overall(snapshot, label: label, rate: rate.perSecond, columns: 200).text)
        }
    }
}

/// Whether this process went on after it was stopped (SIGCONT).
private final class Continued {
    private let signals: SignalDescriptor

    /// The signal has been blocked by ``Interrupts/block()``.
    init() throws(SystemError) { signals = try SignalDescriptor([SIGCONT]) }

    /// True once for each time; does not wait.
    func take() -> Bool {
        guard let ready = try? Poll.wait(signals.raw, for: Poll.readable, until: .after(seconds: 0)), ready != 0 else {
            return false
        }
        return (try? signals.next()) != nil
    }
}

/// What the environment says of the terminal.
struct TerminalSettings: Sendable, Equatable {
    /// Whether the cursor can be moved: not where `TERM` is unset or `dumb`.
    var canMove: Bool
    /// Not where `NO_COLOR` is set to something (no-color.org).
    var isColored: Bool

    init(term: String?, noColor: String?) {
        canMove = !["", "dumb"].contains(term ?? "")
        isColored = (noColor ?? "").isEmpty
    }

    static var environment: TerminalSettings {
        TerminalSettings(term: variable("TERM"), noColor: variable("NO_COLOR"))
    }

    private static func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
}
