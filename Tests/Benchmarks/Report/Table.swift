/// A section's results as lines of text.
enum Table {
    static func text(_ section: Results.Section) -> String {
        var lines: [String] = [
            "",
            "\(section.machine.system), \(section.machine.processors) processors, \(section.machine.memoryMiB) MiB, "
                + section.date,
        ]
        for subject in subjects(section) {
            let of = section.measurements.filter { $0.subject == subject }
            lines += ["", "\(subject)\(of.first.flatMap(Self.work).map { ": \($0)" } ?? "")", ""]
            lines += columns([header(of)] + of.map { row($0, of) })
        }
        if !section.targets.isEmpty {
            lines += ["", "targets", ""]
            lines += columns(
                [["", "measured", "wanted", ""]] + section.targets.map { [$0.name, $0.reached, $0.goal, $0.verdict] })
        }
        for note in section.notes { lines += ["", note] }
        return lines.joined(separator: "\n") + "\n"
    }

    /// In the order they came.
    static func subjects(_ section: Results.Section) -> [String] {
        section.measurements.reduce(into: []) { if !$0.contains($1.subject) { $0.append($1.subject) } }
    }

    /// `2 GiB`, `10,000 files, 41 MB`
    private static func work(_ measurement: Measurement) -> String? {
        guard measurement.x == nil, let bytes = measurement.bytes else { return nil }
        let size = bytes >= 1_000_000_000 ? "\(Progress.fixed(Double(bytes) / 1e9, 2)) GB" : "\(bytes / 1_000_000) MB"
        return measurement.files.map { "\(Progress.number(Double($0))) files, \(size)" } ?? size
    }

    static func header(_ of: [Measurement]) -> [String] {
        let unit = of.first?.unit ?? "s"
        let hasX = of.contains { $0.x != nil }
        let hasRate = of.contains { $0.bytes != nil }
        let hasUse = of.contains { $0.processorSeconds != nil }
        return ["peer"] + (hasX ? ["at"] : []) + ["median \(unit)", "lowest", "highest"]
            + (hasRate ? [of.first?.files == nil ? "GB/s" : "files/s"] : []) + (hasUse ? ["processor s"] : [])
            + (hasX ? [] : ["xfer is"])
    }

    static func row(_ one: Measurement, _ of: [Measurement]) -> [String] {
        let hasX = of.contains { $0.x != nil }
        let hasRate = of.contains { $0.bytes != nil }
        let hasUse = of.contains { $0.processorSeconds != nil }
        var cells = [one.label] + (hasX ? [one.x.map(Progress.number) ?? ""] : [])
        cells += [one.median, one.lowest, one.highest].map(Progress.number)
        if hasRate {
            cells.append(one.rate.map { one.files == nil ? Progress.fixed($0, 2) : Progress.number($0) } ?? "")
        }
        if hasUse { cells.append(one.processorSeconds.map { Progress.fixed($0, 2) } ?? "") }
        if !hasX { cells.append(comparison(one, of)) }
        return cells
    }

    /// `1.83 x`: how many times as fast as this one xfer is.
    private static func comparison(_ one: Measurement, _ of: [Measurement]) -> String {
        // rsync keeps what `xfer -a` keeps.
        let like = one.peer.hasPrefix("rsync") ? of.first { $0.peer == "xfer-a" } : nil
        guard let ours = like ?? of.first(where: { $0.peer == "xfer" }), ours.peer != one.peer else { return "" }
        let ratio = one.unit == "s" ? Statistics.ratio(one, to: ours) : Statistics.ratio(ours, to: one)
        return Progress.fixed(ratio, 2) + " x"
    }

    private static func columns(_ rows: [[String]]) -> [String] {
        let count = rows.map(\.count).max() ?? 0
        let widths = (0..<count).map { column in rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0 }
        return rows.map { row in
            var line = ""
            for (column, cell) in row.enumerated() {
                let space = String(repeating: " ", count: widths[column] - cell.count)
                line += column == 0 ? "  " + cell + space : "  " + space + cell
            }
            return line
        }
    }
}

extension Measurement {
    /// GB/s, or files a second where it is files; nil where nothing is moved.
    var rate: Double? { rate(median) }

    func rate(_ seconds: Double) -> Double? {
        files.map { Double($0) / seconds } ?? bytes.map { Double($0) / seconds / 1e9 }
    }
}

extension Measurement {
    /// Processor seconds of both ends for a GB, or for a thousand files.
    var cost: Double? {
        guard let seconds = processorSeconds else { return nil }
        return files.map { seconds / Double($0) * 1000 } ?? bytes.map { seconds / Double($0) * 1e9 }
    }
}

extension Target {
    var reached: String { Progress.fixed(measured, unit == "s" ? 3 : 2) + " " + unit }
    var goal: String {
        (isLimit ? "at most " : "at least ") + Progress.fixed(wanted, unit == "x" ? 1 : wanted < 1 ? 2 : 0) + " " + unit
    }
    var verdict: String { isMet ? "met" : "MISSED" }
}
