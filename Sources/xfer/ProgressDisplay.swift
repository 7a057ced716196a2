import Glibc
import Kernel
import Transfer

/// The line on a terminal that says how far a copy is: bar, bytes, rate, time left. Into a pipe it writes nothing.
final class ProgressDisplay: Sendable {
    private let stopped = Condition(false)
    private let thread: Thread

    /// - Returns: nil where standard error is no terminal.
    init?(_ progress: Progress, label: String) {
        guard isatty(STDERR_FILENO) == 1 else { return nil }
        let stopped = stopped
        let started = Seconds.now
        let thread = try? Thread("display") {
            var rate = RateMeter()
            while true {
                let isLast = stopped.wait(until: .after(seconds: 0.1)) { $0 ? true : nil } ?? false
                let snapshot = progress.snapshot
                rate.add(bytes: snapshot.doneBytes, at: Seconds.now)
                let line = ProgressLine.text(
                    snapshot, label: label, rate: rate.perSecond, width: Self.width)
                if isLast || Seconds.now - started > 0.3 { Messages.raw("\r\(line)\u{1b}[K") }
                if isLast {
                    Messages.raw("\r\u{1b}[K")
                    return
                }
            }
        }
        guard let thread else { return nil }
        self.thread = thread
    }

    func stop() {
        stopped.withLock(wake: true) { $0 = true }
        thread.join()
    }

    /// Columns of the terminal.
    private static var width: Int {
        var size = winsize()
        guard ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
        return Int(size.ws_col)
    }
}

/// Bytes per second over the last few seconds.
struct RateMeter {
    private var samples: [(time: Double, bytes: Int)] = []
    private static let span = 3.0

    init() {}

    mutating func add(bytes: Int, at time: Double) {
        samples.append((time, bytes))
        while samples.count > 2, time - samples[1].time > Self.span { samples.removeFirst() }
    }

    var perSecond: Double {
        guard let first = samples.first, let last = samples.last, last.time > first.time else { return 0 }
        return max(0, Double(last.bytes - first.bytes) / (last.time - first.time))
    }
}

/// One line of the display.
enum ProgressLine {
    /// - Parameter width: columns; the line has one less, so that it never wraps.
    static func text(_ progress: Progress.Snapshot, label: String, rate: Double, width: Int) -> String {
        let known = progress.isComplete && progress.knownBytes > 0
        let part = known ? min(1, Double(progress.doneBytes) / Double(progress.knownBytes)) : 0
        var right = "\(Units.bytes(Double(progress.doneBytes))) \(Units.bytes(rate))/s"
        if progress.knownFiles > 1 { right = "\(progress.doneFiles)/\(progress.knownFiles) files " + right }
        if known {
            let left = rate > 0 ? Units.duration(Double(progress.knownBytes - progress.doneBytes) / rate) : "-:--"
            right = "\(Int(part * 100))% \(right) \(left)"
        }
        let room = max(0, width - 1 - right.count - 1)
        let bar = known ? max(0, min(30, room - 14)) : 0
        let name = String(label.suffix(max(0, room - (bar > 0 ? bar + 3 : 0))))
        let full = Int(part * Double(bar))
        let drawn =
            bar > 2 ? "[\(String(repeating: "=", count: full))\(String(repeating: " ", count: bar - full))] " : ""
        return String("\(name) \(drawn)\(right)".prefix(max(0, width - 1)))
    }
}
