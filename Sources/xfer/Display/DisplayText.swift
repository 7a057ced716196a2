import Kernel

/// Text as it stands on a terminal: columns counted, nothing in it that moves the cursor or turns the writing round.
enum DisplayText {
    /// Control characters and those that reorder text (Unicode's bidirectional embeddings, overrides and isolates) as
    /// question marks.
    ///
    /// - Parameter keeping: control characters that stay.
    static func printable(_ text: String, keeping: Set<Unicode.Scalar> = []) -> String {
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            result.append(isHarmful(scalar) && !keeping.contains(scalar) ? "?" : scalar)
        }
        return String(result)
    }

    private static func isHarmful(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x202a...0x202e, 0x2066...0x2069: true
        default: scalar.properties.generalCategory == .control
        }
    }

    /// Columns of text that is printable; rather one too many than one too few.
    static func columns(_ text: some StringProtocol) -> Int { text.reduce(0) { $0 + columns($1) } }

    private static func columns(_ character: Character) -> Int {
        var sum = 0
        for scalar in character.unicodeScalars {
            // The selector that has a character shown as an emoji makes it two columns wide on some terminals.
            sum += scalar.value == 0xfe0f ? 1 : Terminal.columns(scalar)
        }
        return sum
    }

    /// Text in at most `limit` columns, its middle left out where it is longer: names differ at their ends.
    static func shortened(_ text: String, to limit: Int) -> String {
        if columns(text) <= limit { return text }
        if limit < 4 { return prefix(text, limit) }
        let front = (limit - 1) / 2
        let start = prefix(text, front)
        let end = prefix(String(text.reversed()), limit - 1 - columns(start))
        return start + "…" + String(end.reversed())
    }

    /// As many characters from its beginning as there is room for.
    static func prefix(_ text: String, _ limit: Int) -> String {
        var (result, used) = ("", 0)
        for character in text {
            used += columns(character)
            if used > limit { break }
            result.append(character)
        }
        return result
    }

    static func padded(_ text: String, to width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - columns(text)))
    }
}
