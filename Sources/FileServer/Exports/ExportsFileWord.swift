/// A word of an exports file.
struct ExportsFileWord: Hashable {
    /// Where it begins, from 1.
    let line: Int
    /// A byte each, with marks: neither a quoted byte nor an escaped one has a meaning of its own.
    var units: [UInt16] = []

    static let quoted: UInt16 = 0x100
    static let escaped: UInt16 = 0x200

    static func unit(_ character: Unicode.Scalar) -> UInt16 { UInt16(UInt8(ascii: character)) }

    /// The text of some of a word's units; nil where it is no UTF-8, or has a NUL, which no path can have.
    static func text(_ units: some Sequence<UInt16>) -> String? {
        let bytes = units.map { UInt8(truncatingIfNeeded: $0) }
        return bytes.contains(0) ? nil : String(validating: bytes, as: UTF8.self)
    }

    /// For messages: in one line, short, and whatever the bytes are.
    static func shown(_ units: some Sequence<UInt16>) -> String {
        let limit = 200
        let bytes = units.prefix(limit + 1).map { UInt8(truncatingIfNeeded: $0) }
        let printable = String(decoding: bytes.prefix(limit), as: UTF8.self).unicodeScalars
            .map { $0.isASCII && isControl(UInt8(ascii: $0)) ? octal(UInt8(ascii: $0)) : String($0) }.joined()
        return bytes.count > limit ? printable + "…" : printable
    }

    /// How a file writes `text` so that it is one word, with nothing in it that has a meaning: exports(5)'s `\040`.
    static func escaping(_ text: String) -> String {
        let special = Array(" \"\\#(),=".utf8)
        var bytes: [UInt8] = []
        for byte in text.utf8 {
            if isControl(byte) || special.contains(byte) { bytes += octal(byte).utf8 } else { bytes.append(byte) }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func isControl(_ byte: UInt8) -> Bool { byte < 0x20 || byte == 0x7f }

    private static func octal(_ byte: UInt8) -> String {
        let digits = String(byte, radix: 8)
        return "\\" + String(repeating: "0", count: 3 - digits.count) + digits
    }
}
