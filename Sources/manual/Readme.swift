/// README.md, by its sections: what is said there is not said anywhere else.
struct Readme {
    private let lines: [Substring]

    init(_ text: String) { lines = text.split(separator: "\n", omittingEmptySubsequences: false) }

    /// Adds what stands below a heading to a page: paragraphs, lists, tables and code.
    ///
    /// - Throws: ``ManualError`` where there is no such heading: it was renamed here or there.
    func write(_ heading: String, to page: inout Roff) throws {
        guard let start = lines.firstIndex(where: { $0.hasPrefix("#") && $0.drop { $0 == "#" } == " \(heading)" })
        else { throw ManualError("README.md has no section '\(heading)'") }
        let level = lines[start].prefix { $0 == "#" }.count
        let body = lines[(start + 1)...].prefix { line in
            !line.hasPrefix("#") || line.prefix { $0 == "#" }.count > level
        }
        for block in Self.blocks(body) { Self.write(block, to: &page) }
    }

    /// Parted at blank lines, but for those in code.
    private static func blocks(_ lines: ArraySlice<Substring>) -> [[Substring]] {
        var blocks: [[Substring]] = []
        var block: [Substring] = []
        func isCode(_ line: Substring) -> Bool { line.hasPrefix("    ") }
        for (index, line) in zip(lines.indices, lines) {
            let next = lines.indices.contains(index + 1) ? lines[index + 1] : ""
            if line.isEmpty, block.first.map(isCode) == true, isCode(next) {
                block.append(line)
            } else if line.isEmpty {
                if !block.isEmpty { blocks.append(block) }
                block = []
            } else {
                block.append(line)
            }
        }
        return block.isEmpty ? blocks : blocks + [block]
    }

    private static func write(_ block: [Substring], to page: inout Roff) {
        guard let first = block.first else { return }
        if first.hasPrefix("#") {
            page.subsection(String(first.drop { $0 == "#" }.dropFirst()))
        } else if first.hasPrefix("    ") {
            page.literal(block.map { String($0.dropFirst(4)) })
        } else if first.hasPrefix("|") {
            // Without the headings and the line below them.
            for row in block.dropFirst(2) {
                let cells = cells(row)
                guard let head = cells.first else { continue }
                page.item(
                    inlineHead(head), cells.dropFirst().filter { !$0.isEmpty }.joined(separator: "; "), markdown: true)
            }
        } else if first.hasPrefix("- ") {
            for entry in entries(block) { page.item("\\(bu", entry, markdown: true) }
        } else {
            page.paragraph(block.joined(separator: " "), markdown: true)
        }
    }

    private static func inlineHead(_ cell: String) -> String {
        // Code and words in turn.
        cell.split(separator: "`", omittingEmptySubsequences: false).enumerated().map { index, part in
            let part = String(part.replacing("\\|", with: "|"))
            return index % 2 == 1 ? Roff.bold(part) : Roff.escaped(part, atStart: false)
        }.joined()
    }

    private static func cells(_ row: Substring) -> [String] {
        // A bar in a cell is written \|.
        row.replacing("\\|", with: "\u{1}").split(separator: "|", omittingEmptySubsequences: false)
            .dropFirst().dropLast().map {
                $0.replacing("\u{1}", with: "\\|").trimmingPrefix { $0 == " " }.trimmingEnd
            }
    }

    private static func entries(_ block: [Substring]) -> [String] {
        block.reduce(into: []) { entries, line in
            if line.hasPrefix("- ") || entries.isEmpty {
                entries.append(String(line.dropFirst(2)))
            } else {
                entries[entries.count - 1] += " " + line.trimmingPrefix { $0 == " " }
            }
        }
    }
}

extension Substring {
    fileprivate var trimmingEnd: String {
        var text = self
        while text.last == " " { text.removeLast() }
        return String(text)
    }
}
