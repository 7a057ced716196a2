/// A line of the display: pieces of text, each with how it looks.
struct DisplayLine: Sendable, Equatable {
    enum Style: Sendable { case plain, bar, faint }

    private(set) var pieces: [(text: String, style: Style)] = []

    init(_ text: String = "", _ style: Style = .plain) { append(text, style) }

    mutating func append(_ text: String, _ style: Style = .plain) {
        if !text.isEmpty { pieces.append((text, style)) }
    }

    var text: String { pieces.map(\.text).joined() }
    var columns: Int { pieces.reduce(0) { $0 + DisplayText.columns($1.text) } }

    /// With the escape sequences of colours (ECMA-48 SGR) where they are wanted.
    func rendered(colored: Bool) -> String {
        guard colored else { return text }
        return pieces.map { piece in
            switch piece.style {
            case .plain: piece.text
            case .bar: "\u{1b}[32m\(piece.text)\u{1b}[0m"
            case .faint: "\u{1b}[2m\(piece.text)\u{1b}[0m"
            }
        }.joined()
    }

    static func == (a: Self, b: Self) -> Bool { a.pieces.elementsEqual(b.pieces, by: ==) }
}
