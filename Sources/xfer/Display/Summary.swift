import Transfer

/// The last line of a copy: what was copied, how fast, and how it was protected on the way.
enum Summary {
    static func text(_ report: Report, seconds: Double, protections: [Session.ProtectionReport]) -> String {
        var parts = [count(report.files, "file")]
        if report.directories > 0 {
            parts.append(report.directories == 1 ? "1 directory" : "\(report.directories) directories")
        }
        if report.links > 0 { parts.append(count(report.links, "link")) }
        if report.hardLinks > 0 { parts.append(count(report.hardLinks, "hard link")) }
        if report.attributes > 0 { parts.append("\(report.attributes) with new attributes") }
        if report.unchanged > 0 { parts.append("\(report.unchanged) unchanged") }
        if report.deleted > 0 { parts.append("\(report.deleted) deleted") }
        let rate = Units.bytes(rate(report, seconds))
        parts.append("\(Units.bytes(Double(report.bytes))) in \(Units.seconds(seconds)) (\(rate)/s)")
        if !report.failures.isEmpty { parts.append("\(report.failures.count) failed") }
        if !report.skipped.isEmpty { parts.append("\(report.skipped.count) left out") }
        if !protections.isEmpty { parts.append(protections.map(text).joined(separator: "; ")) }
        return parts.joined(separator: ", ")
    }

    /// How far a copy was that was interrupted.
    ///
    /// - Parameter isRepeatable: whether the same command makes the same copy.
    static func interrupted(_ progress: Progress.Snapshot, kept: KeptParts.Count, isRepeatable: Bool) -> String {
        let files =
            progress.isComplete
            ? "\(progress.doneFiles) of \(count(progress.knownFiles, "file"))" : count(progress.doneFiles, "file")
        var parts = ["\(files) done, \(Units.bytes(Double(progress.doneBytes))) moved"]
        if let kept = Self.kept(kept) { parts.append(kept) }
        if isRepeatable { parts.append("run the same command again to resume") }
        return parts.joined(separator: "; ")
    }

    /// What was not finished and is there for the next run; nil where there is nothing.
    static func kept(_ kept: KeptParts.Count) -> String? {
        if kept.files == 0 { return nil }
        let what = kept.files == 1 ? "1 unfinished file is" : "\(kept.files) unfinished files are"
        return "\(what) kept (\(Units.bytes(Double(kept.bytes))))"
    }

    /// Bytes per second.
    static func rate(_ report: Report, _ seconds: Double) -> Double { Double(report.bytes) / max(seconds, 1e-6) }

    private static func text(_ protection: Session.ProtectionReport) -> String {
        protection.recordLayer == "none"
            ? "not protected: cleartext"
            : "TLS 1.3 \(protection.cipher) \(protection.recordLayer) layer, peer \(protection.peer)"
    }

    private static func count(_ number: Int, _ what: String) -> String {
        number == 1 ? "1 \(what)" : "\(number) \(what)s"
    }
}
