/// Everything that is wrong with an exports file, in the order of its lines.
package struct ExportsFileError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What the file is called in messages.
    package let file: String
    /// At least one.
    package let mistakes: [Mistake]

    /// `line` counts from 1, and is nil where the file itself is at fault; `word` is the one that is wrong.
    package struct Mistake: Hashable, Sendable {
        package let line: Int?
        package let word: String?
        package let reason: String

        init(line: Int? = nil, word: String? = nil, _ reason: String) {
            self.line = line
            self.word = word
            self.reason = reason
        }
    }

    /// Whether there is no such file.
    package let isMissing: Bool

    init(file: String, mistakes: [Mistake], isMissing: Bool = false) {
        self.file = file
        self.mistakes = mistakes
        self.isMissing = isMissing
    }

    /// A line for each mistake: `exports:12: rww: there is no such option`.
    package var lines: [String] {
        mistakes.map { mistake in
            [mistake.line.map { "\(file):\($0)" } ?? file, mistake.word, mistake.reason].compactMap { $0 }
                .joined(separator: ": ")
        }
    }

    package var description: String { lines.joined(separator: "\n") }
}

/// A word that is wrong, before it is known where it stands.
struct WrongWord: Error, Hashable {
    let word: String
    let reason: String

    init(_ word: some StringProtocol, _ reason: String) {
        self.word = String(word)
        self.reason = reason
    }
}
