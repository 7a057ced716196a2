/// Cuts an exports file into words: exports(5)'s comments, continued lines, quotes and octal escapes.
///
/// A `#` begins a comment where a word could begin. A backslash at the end of a line, outside quotes and comments,
/// continues it. A quote ends on its line.
struct ExportsFileReader {
    private var rest: ArraySlice<UInt8>
    /// From 1.
    private(set) var line = 1

    enum Token: Hashable {
        case word(ExportsFileWord)
        case endOfLine
        /// A word whose quote has no end.
        case unclosedQuote(ExportsFileWord)
    }

    init(_ text: [UInt8]) { rest = text[...] }

    private static let newline = UInt8(ascii: "\n")
    private static let quote = UInt8(ascii: "\"")

    /// The next token; nil at the end of the file.
    mutating func next() -> Token? {
        while let byte = rest.first {
            if byte == Self.newline {
                rest = rest.dropFirst()
                line += 1
                return .endOfLine
            } else if Self.isBlank(byte) {
                rest = rest.dropFirst()
            } else if byte == UInt8(ascii: "#") {
                rest = rest.drop { $0 != Self.newline }
            } else if let length = continuation {
                rest = rest.dropFirst(length)
                line += 1
            } else {
                return word()
            }
        }
        return nil
    }

    private mutating func word() -> Token {
        var word = ExportsFileWord(line: line)
        var mark: UInt16 = 0
        while let byte = rest.first, byte != Self.newline {
            if mark == 0 && (Self.isBlank(byte) || continuation != nil) { break }
            if byte == Self.quote {
                rest = rest.dropFirst()
                mark ^= ExportsFileWord.quoted
            } else if let escaped = escapedByte {
                rest = rest.dropFirst(4)
                word.units.append(UInt16(escaped) | ExportsFileWord.escaped)
            } else {
                rest = rest.dropFirst()
                word.units.append(UInt16(byte) | mark)
            }
        }
        return mark == 0 ? .word(word) : .unclosedQuote(word)
    }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == 32 || (9...13).contains(byte) && byte != newline }

    /// How many bytes a backslash and the end of its line have, where they are next.
    private var continuation: Int? {
        guard rest.first == UInt8(ascii: "\\") else { return nil }
        let behind = rest.dropFirst()
        if behind.first == Self.newline { return 2 }
        return behind.starts(with: [UInt8(ascii: "\r"), Self.newline]) ? 3 : nil
    }

    /// The byte that `\ooo` stands for, where that is next.
    private var escapedByte: UInt8? {
        guard rest.first == UInt8(ascii: "\\") else { return nil }
        let digits = rest.dropFirst().prefix(3)
        guard digits.count == 3, digits.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "7")).contains($0) }) else {
            return nil
        }
        return UInt8(exactly: digits.reduce(0) { $0 * 8 + Int($1 & 7) })
    }
}
