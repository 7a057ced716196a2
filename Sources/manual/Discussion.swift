/// A command's discussion in parts: prose, indented examples, and what begins with "Exit status:".
struct Discussion {
    enum Block {
        case prose(String)
        case literal([String])

        func write(to page: inout Roff) {
            switch self {
            case .prose(let words): page.paragraph(words)
            case .literal(let lines): page.literal(lines)
            }
        }
    }

    private(set) var prose: [Block] = []
    private(set) var examples: [[String]] = []
    private(set) var exitStatus: Block?

    init(_ text: String) {
        for part in Self.parts(text) {
            if part.allSatisfy({ $0.hasPrefix("  ") }) {
                let lines = part.map { String($0.dropFirst(2)) }
                // Commands are examples; tables and files belong to the words before them.
                if lines.contains(where: Self.isCommand) {
                    examples.append(lines)
                } else {
                    prose.append(.literal(lines))
                }
                continue
            }
            let words = part.joined(separator: " ")
            guard let start = words.firstRange(of: "Exit status: ") else {
                prose.append(.prose(words))
                continue
            }
            let before = words[..<start.lowerBound]
            if !before.isEmpty { prose.append(.prose(String(before))) }
            exitStatus = .prose(String(words[start.upperBound...]))
        }
    }

    func writeProse(to page: inout Roff) {
        for block in prose { block.write(to: &page) }
    }

    private static func isCommand(_ line: String) -> Bool {
        ["xfer ", "xferd ", "tlscd ", "tlssd "].contains { line.hasPrefix($0) || line.contains(" | \($0)") }
    }

    /// Paragraphs; where the indent begins or ends is a new one too.
    private static func parts(_ text: String) -> [[String]] {
        var parts: [[String]] = []
        var isOpen = false
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.allSatisfy({ $0 == " " }) {
                isOpen = false
                continue
            }
            let isIndented = line.hasPrefix("  ")
            if isOpen, let last = parts.last?.last, last.hasPrefix("  ") == isIndented {
                parts[parts.count - 1].append(String(line))
            } else {
                parts.append([String(line)])
            }
            isOpen = true
        }
        return parts
    }
}
