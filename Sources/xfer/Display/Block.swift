/// Lines at the bottom of what was written to a terminal, drawn over again in place: what to write for that.
///
/// The cursor stays in the first column of the last line, and visible: whatever happens to the process, the terminal is as
/// it should be, and what the terminal echoes (`^C`) makes no line longer.
struct Block {
    /// Columns of the lines that are there.
    private var drawn: [Int] = []

    var isEmpty: Bool { drawn.isEmpty }

    /// Draws `lines` in place of those that are there.
    ///
    /// - Parameter columns: of the terminal, now.
    mutating func draw(_ lines: [DisplayLine], columns: Int, colored: Bool) -> String {
        // Without wrapping (DECAWM): where a terminal has another width before it says so (tmux waits), the cursor still comes
        // back to the row it was on, from which the next frame finds the first line.
        var text = "\u{1b}[?7l" + top(columns)
        text += lines.map { $0.rendered(colored: colored) + "\u{1b}[K" }.joined(separator: "\r\n")
        // What is left of a higher block
        text += "\u{1b}[J\r\u{1b}[?7h"
        drawn = lines.map(\.columns)
        return text
    }

    /// Takes away what is there; the cursor is where its first line began.
    mutating func clear(columns: Int) -> String {
        if isEmpty { return "" }
        defer { drawn = [] }
        // Not from the first column: tmux keeps in its history what is cleared from the screen's first one.
        return top(columns) + "\u{1b}[K\u{1b}[C\u{1b}[J\r"
    }

    /// Leaves what is there: something else was written below it.
    mutating func forget() { drawn = [] }

    /// The way to the first line. Lines longer than a terminal that was made narrower take several of it: terminals wrap
    /// them anew.
    private func top(_ columns: Int) -> String {
        let up = drawn.dropLast().reduce(0) { $0 + max(1, ($1 + columns - 1) / max(1, columns)) }
        return up > 0 ? "\r\u{1b}[\(up)A" : "\r"
    }
}
