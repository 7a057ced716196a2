import ArgumentParser
import Glibc
import Transfer

/// What get and put have in common.
struct CopyArguments: ParsableArguments {
    @OptionGroup(title: "What is copied, and how") var rules: RuleArguments

    /// Runs a copy with its display, and says what came of it.
    ///
    /// - Throws: ``ExitStatus`` where not all of it was done.
    func run(
        _ name: RemoteName, _ connection: ConnectionOptions, label: String,
        _ placement: Copy.Placement, _ body: @escaping @Sendable (Copy) async throws -> Report
    ) async throws {
        let progress = Progress()
        let rules = try rules.rules(for: placement)
        let display = connection.quiet ? nil : ProgressDisplay(progress, label: label)
        let start = Seconds.now
        let report: Report
        do {
            report = try await connection.withRemote(name) { remote in
                try await body(Copy(remote: remote, rules: rules, progress: progress))
            }
            display?.stop()
        } catch {
            display?.stop()
            throw error
        }
        for note in report.skipped { Messages.write("xfer: left out: \(note)") }
        for failure in report.failures { Messages.error(failure) }
        Messages.hint(report.failures)
        if !connection.quiet { Messages.write(Summary.text(report, seconds: Seconds.now - start)) }
        guard report.failures.isEmpty else {
            throw report.files + report.links > 0 ? ExitStatus.some : .nothing
        }
    }
}

/// The monotonic clock in seconds.
enum Seconds {
    static var now: Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}

/// The last line of a copy.
enum Summary {
    static func text(_ report: Report, seconds: Double) -> String {
        var parts = [report.files == 1 ? "1 file" : "\(report.files) files"]
        if report.directories > 0 {
            parts.append(report.directories == 1 ? "1 directory" : "\(report.directories) directories")
        }
        if report.links > 0 { parts.append(report.links == 1 ? "1 link" : "\(report.links) links") }
        let rate = Double(report.bytes) / max(seconds, 1e-6)
        let failed = report.failures.isEmpty ? "" : ", \(report.failures.count) failed"
        return
            "\(parts.joined(separator: ", ")), \(Units.bytes(Double(report.bytes))) in \(Units.seconds(seconds)) (\(Units.bytes(rate))/s)\(failed)"
    }
}

/// Numbers for people.
enum Units {
    /// In powers of 1000, three digits: `1.05 GB`.
    static func bytes(_ count: Double) -> String {
        var (value, unit) = (max(0, count), 0)
        let units = ["B", "kB", "MB", "GB", "TB", "PB"]
        while value >= 999.5 && unit < units.count - 1 { (value, unit) = (value / 1000, unit + 1) }
        if unit == 0 { return "\(Int(value)) B" }
        return "\(decimal(value, value < 9.995 ? 2 : value < 99.95 ? 1 : 0)) \(units[unit])"
    }

    static func seconds(_ seconds: Double) -> String { "\(decimal(seconds, seconds < 10 ? 2 : 1)) s" }

    /// `m:ss` or `h:mm:ss`.
    static func duration(_ seconds: Double) -> String {
        let whole = Int(min(max(0, seconds), 359_999))
        let (minutes, rest) = (whole / 60 % 60, whole % 60)
        let tail = rest < 10 ? "0\(rest)" : "\(rest)"
        if whole < 3600 { return "\(minutes):\(tail)" }
        return "\(whole / 3600):\(minutes < 10 ? "0" : "")\(minutes):\(tail)"
    }

    static func decimal(_ value: Double, _ digits: Int) -> String {
        var scale = 1
        for _ in 0..<digits { scale *= 10 }
        let scaled = Int((value * Double(scale)).rounded())
        if digits == 0 { return "\(scaled)" }
        let fraction = "\(scaled % scale)"
        return "\(scaled / scale).\(String(repeating: "0", count: digits - fraction.count))\(fraction)"
    }
}
