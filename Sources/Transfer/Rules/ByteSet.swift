/// A set of byte values: what `[a-z]` in a pattern stands for.
struct ByteSet: Equatable, Sendable {
    private var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)

    func contains(_ byte: UInt8) -> Bool {
        let bit = UInt64(1) << UInt64(byte & 63)
        return switch byte >> 6 {
        case 0: words.0 & bit != 0
        case 1: words.1 & bit != 0
        case 2: words.2 & bit != 0
        default: words.3 & bit != 0
        }
    }

    mutating func insert(_ byte: UInt8) {
        let bit = UInt64(1) << UInt64(byte & 63)
        switch byte >> 6 {
        case 0: words.0 |= bit
        case 1: words.1 |= bit
        case 2: words.2 |= bit
        default: words.3 |= bit
        }
    }

    mutating func insert(where isMember: (UInt8) -> Bool) {
        for byte in UInt8.min ... .max where isMember(byte) { insert(byte) }
    }

    mutating func remove(_ byte: UInt8) {
        var others = ByteSet()
        others.insert(byte)
        others.invert()
        words = (
            words.0 & others.words.0, words.1 & others.words.1, words.2 & others.words.2, words.3 & others.words.3
        )
    }

    mutating func invert() { words = (~words.0, ~words.1, ~words.2, ~words.3) }

    static func == (a: ByteSet, b: ByteSet) -> Bool { a.words == b.words }

    /// The members of `[:name:]` in the C locale, where only ASCII is anything; nil where there is no such class.
    static func isMember(ofClass name: some Collection<UInt8>) -> ((UInt8) -> Bool)? {
        func isLower(_ byte: UInt8) -> Bool { (0x61...0x7a).contains(byte) }
        func isUpper(_ byte: UInt8) -> Bool { (0x41...0x5a).contains(byte) }
        func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
        func isAlphanumeric(_ byte: UInt8) -> Bool { isLower(byte) || isUpper(byte) || isDigit(byte) }
        func isVisible(_ byte: UInt8) -> Bool { (0x21...0x7e).contains(byte) }
        return switch String(decoding: name, as: UTF8.self) {
        case "alnum": isAlphanumeric
        case "alpha": { isLower($0) || isUpper($0) }
        case "blank": { $0 == 0x20 || $0 == 0x09 }
        case "cntrl": { $0 < 0x20 || $0 == 0x7f }
        case "digit": isDigit
        case "graph": isVisible
        case "lower": isLower
        case "print": { isVisible($0) || $0 == 0x20 }
        case "punct": { isVisible($0) && !isAlphanumeric($0) }
        case "space": { $0 == 0x20 || (0x09...0x0d).contains($0) }
        case "upper": isUpper
        case "xdigit": { isDigit($0) || (0x41...0x46).contains($0) || (0x61...0x66).contains($0) }
        default: nil
        }
    }
}
