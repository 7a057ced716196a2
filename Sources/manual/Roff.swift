/// Text of man(7), written piece by piece.
struct Roff {
    private(set) var text = ""

    /// - Parameter section: of the manual, such as 1 or 8.
    init(title: String, section: Int, version: String, date: String) {
        text = ".\\\" Made of the program's help and of README.md: make man\n"
        line(
            ".TH \(Self.quoted(title.uppercased())) \(section) \"\(date)\" \(Self.quoted("tlsd \(version)")) \"tlsd\""
        )
        // Neither hyphens at line ends nor blanks to fill lines: what is here is typed.
        line(".nh")
        line(".ad l")
    }

    mutating func section(_ title: String) { line(".SH \(Self.quoted(title))") }
    mutating func subsection(_ title: String) { line(".SS \(Self.quoted(title))") }

    /// A heading begins a paragraph itself.
    private mutating func beginParagraph() {
        let last = text.split(separator: "\n").last ?? ""
        if !last.hasPrefix(".SH") && !last.hasPrefix(".SS") { line(".PP") }
    }

    /// A paragraph, with bold and italic as `**…**`, `` `…` `` and `*…*` have it in Markdown.
    mutating func paragraph(_ words: String, markdown: Bool = false) {
        beginParagraph()
        line(Self.inline(words, markdown: markdown))
    }

    /// An entry of a list: what it is about, and what is said of it.
    mutating func item(_ head: String, _ body: String, markdown: Bool = false) {
        line(".TP")
        line(head)
        line(body.isEmpty ? "\\&" : Self.inline(body, markdown: markdown))
    }

    /// Lines as they are.
    mutating func literal(_ lines: [String]) {
        beginParagraph()
        line(".RS 4")
        line(".nf")
        for one in lines { line(one.isEmpty ? ".sp" : Self.escaped(one)) }
        line(".fi")
        line(".RE")
    }

    mutating func line(_ one: String) { text += one + "\n" }

    static func bold(_ text: String) -> String { "\\fB\(escaped(text, atStart: false))\\fR" }
    static func italic(_ text: String) -> String { "\\fI\(escaped(text, atStart: false))\\fR" }

    private static func quoted(_ text: String) -> String {
        "\"\(escaped(text, atStart: false).replacing("\"", with: "\\(dq"))\""
    }

    /// What roff would take for something else.
    static func escaped(_ text: String, atStart: Bool = true) -> String {
        var result = ""
        for character in text {
            switch character {
            case "\\": result += "\\e"
            case "-": result += "\\-"
            case "'": result += "\\(aq"
            case "`": result += "\\(ga"
            case "^": result += "\\(ha"
            case "~": result += "\\(ti"
            case "…": result += "..."
            default: result.append(character)
            }
        }
        return atStart && (result.hasPrefix(".")) ? "\\&" + result : result
    }

    private static func inline(_ text: String, markdown: Bool) -> String {
        guard markdown else { return escaped(text) }
        var result = ""
        var rest = text[...]
        while let mark = rest.firstIndex(where: { "`*[\\".contains($0) }) {
            result += escaped(String(rest[..<mark]), atStart: result.isEmpty)
            let tail = rest[mark...]
            if let (inner, after) = between(tail, "**", "**") {
                result += bold(inner)
                rest = after
            } else if let (inner, after) = between(tail, "`", "`") {
                // In a table's cell a bar is written \|.
                result += bold(inner.replacing("\\|", with: "|"))
                rest = after
            } else if let (words, after) = between(tail, "[", "]("), let (_, end) = between("(" + after, "(", ")") {
                result += escaped(words, atStart: result.isEmpty)
                rest = end
            } else {
                // A backslash before what Markdown would take for something.
                let isEscape = tail.first == "\\" && tail.count > 1
                let one = isEscape ? tail.dropFirst().prefix(1) : tail.prefix(1)
                result += escaped(String(one), atStart: result.isEmpty)
                rest = tail.dropFirst(isEscape ? 2 : 1)
            }
        }
        return result + escaped(String(rest), atStart: result.isEmpty)
    }

    private static func between(_ text: Substring, _ open: String, _ close: String) -> (String, Substring)? {
        guard text.hasPrefix(open), let end = text.dropFirst(open.count).firstRange(of: close),
            end.lowerBound > text.dropFirst(open.count).startIndex
        else { return nil }
        return (String(text.dropFirst(open.count)[..<end.lowerBound]), text[end.upperBound...])
    }
}
