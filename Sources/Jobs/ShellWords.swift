import Transfer

/// The words of a line as a shell splits it: blanks between words, `'…'`, `"…"` and `\` keep them, `#` at the beginning of
/// a word starts a comment. Nothing is expanded.
enum ShellWords {
    /// - Throws: ``UsageError`` where a quote is not closed, or the line ends behind a backslash.
    static func split(_ line: String) throws(UsageError) -> [String] {
        var words: [String] = []
        // nil between words; empty where '' stands.
        var word: String.UnicodeScalarView?
        var scalars = line.unicodeScalars.makeIterator()
        while let scalar = scalars.next() {
            switch scalar {
            case " ", "\t":
                if let done = word { words.append(String(done)) }
                word = nil
            case "#" where word == nil: return words
            case "'":
                var text = word ?? String.UnicodeScalarView()
                while true {
                    guard let inner = scalars.next() else { throw UsageError("a ' that is not closed") }
                    if inner == "'" { break }
                    text.append(inner)
                }
                word = text
            case "\"":
                var text = word ?? String.UnicodeScalarView()
                while true {
                    guard let inner = scalars.next() else { throw UsageError("a \" that is not closed") }
                    if inner == "\"" { break }
                    guard inner == "\\" else {
                        text.append(inner)
                        continue
                    }
                    guard let escaped = scalars.next() else { throw UsageError("a \" that is not closed") }
                    // As in sh(1): a backslash is one, but before these.
                    if !["\"", "\\", "$", "`"].contains(escaped) { text.append("\\") }
                    text.append(escaped)
                }
                word = text
            case "\\":
                guard let escaped = scalars.next() else { throw UsageError("a \\ at the end of the line") }
                var text = word ?? String.UnicodeScalarView()
                text.append(escaped)
                word = text
            default:
                var text = word ?? String.UnicodeScalarView()
                word = nil
                text.append(scalar)
                word = text
            }
        }
        if let word { words.append(String(word)) }
        return words
    }
}
