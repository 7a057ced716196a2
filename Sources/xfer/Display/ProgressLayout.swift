import Kernel
import Transfer

/// What the display shows: a line for all of the copy, then the files under way, as the terminal's size allows.
enum ProgressLayout {
    /// Files under way that are shown at most.
    static let fileLimit = 8

    /// File lines that a terminal has room for: the rest of it stays for messages.
    static func fileLines(rows: Int) -> Int { max(0, min(fileLimit, (rows - 2) / 2)) }

    /// A file under way, as it is shown.
    struct File: Sendable {
        var path: String
        var bytes: UInt64
        var doneBytes: Int

        /// 0 to 1; nil where its size is not known, or nothing.
        var part: Double? { bytes > 0 ? min(1, max(0, Double(doneBytes) / Double(bytes))) : nil }
    }

    /// - Parameters:
    ///   - files: under way, the longest running first; not shown where the copy is of one file.
    ///   - rate: bytes per second.
    static func lines(
        _ progress: Progress.Snapshot, files: [File], label: String, rate: Double, size: Terminal.Size
    ) -> [DisplayLine] {
        // The last column stays free: some terminals wrap a line that fills it.
        let columns = size.columns - 1
        var lines = [overall(progress, label: label, rate: rate, columns: columns)]
        if progress.isComplete && progress.knownFiles <= 1 { return lines }
        lines += files.prefix(fileLines(rows: size.rows)).map { file($0, columns: columns) }
        return lines
    }

    // MARK: All of it

    /// The parts that fit: the poorer the terminal, the fewer.
    static func overall(_ progress: Progress.Snapshot, label: String, rate: Double, columns: Int) -> DisplayLine {
        let facts = facts(progress, rate: rate)
        let text = facts.first { DisplayText.columns($0) <= columns } ?? ""
        guard text == facts.first else { return DisplayLine(text) }
        let name = DisplayText.printable(label)
        var room = columns - DisplayText.columns(text)
        var line = DisplayLine()
        let isBarShown = part(progress) != nil && room >= smallestBar + 3
        // The name has what the smallest bar leaves, up to half, and the bar the rest.
        let nameRoom = isBarShown ? max(room - longestBar - 4, (room - 4) / 2) : room - 1
        if nameRoom >= min(smallestName, DisplayText.columns(name)), isBarShown || nameRoom > 0 {
            let shown = DisplayText.shortened(name, to: nameRoom)
            line.append(shown + " ")
            room -= DisplayText.columns(shown) + 1
        }
        if let part = part(progress), isBarShown { bar(part, columns: min(longestBar, room - 3), &line) }
        line.append(line.pieces.isEmpty ? String(text.drop { $0 == " " }) : text)
        return line
    }

    private static let smallestBar = 6
    private static let longestBar = 30
    private static let smallestName = 8

    private static func part(_ progress: Progress.Snapshot) -> Double? {
        guard progress.isComplete, progress.knownBytes > 0 else { return nil }
        return min(1, max(0, Double(progress.doneBytes) / Double(progress.knownBytes)))
    }

    /// The same, told in fewer and fewer words.
    private static func facts(_ progress: Progress.Snapshot, rate: Double) -> [String] {
        let done = Units.bytes(Double(progress.doneBytes))
        let speed = "\(Units.bytes(rate))/s"
        guard let part = part(progress) else {
            // Files are still being found: nobody knows how much there will be.
            let files = "\(progress.doneFiles)/\(progress.knownFiles) files"
            return ["\(files)  \(done)  \(speed)", "\(files) \(done)", files, done, ""]
        }
        let percent = "\(Int(part * 100))%"
        let bytes = "\(done)/\(Units.bytes(Double(progress.knownBytes)))"
        let missing = Double(max(0, progress.knownBytes - progress.doneBytes))
        let left = missing == 0 ? "0:00" : rate > 0 ? Units.duration((missing / rate).rounded(.up)) : "-:--"
        let files = progress.knownFiles > 1 ? "\(progress.doneFiles)/\(progress.knownFiles) files  " : ""
        return [
            "\(pad(percent, 4))  \(files)\(bytes)  \(speed)  \(left)", "\(percent) \(bytes) \(speed) \(left)",
            "\(percent) \(speed) \(left)", "\(percent) \(left)", percent, "",
        ]
    }

    // MARK: A file

    private static func file(_ file: File, columns: Int) -> DisplayLine {
        let percent = file.part.map { "\(Int($0 * 100))%" } ?? ""
        let isBarShown = columns >= 56
        let right = isBarShown ? 4 + 1 + 12 + 1 : 4 + 1
        let room = columns - 2 - right
        // Neither name nor number of use: nothing.
        guard room >= 3 else { return DisplayLine(DisplayText.prefix(percent, max(0, columns))) }
        var line = DisplayLine("  ")
        line.append(DisplayText.padded(DisplayText.shortened(DisplayText.printable(file.path), to: room), to: room))
        line.append(" \(pad(percent, 4))")
        if isBarShown, let part = file.part {
            line.append(" ")
            bar(part, columns: 10, &line, space: "")
        }
        return line
    }

    /// `[=====     ] `, two columns and the space more than `columns`.
    private static func bar(_ part: Double, columns: Int, _ line: inout DisplayLine, space: String = " ") {
        let full = Int(part * Double(columns))
        line.append("[")
        line.append(String(repeating: "=", count: full), .bar)
        line.append(String(repeating: " ", count: columns - full) + "]" + space)
    }

    private static func pad(_ text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(0, width - text.count)) + text
    }
}
