/// A pattern with wildcards, compiled. Matching takes time in proportion to the text's length times the pattern's,
/// whatever either of them is: all ways to match are followed at once.
struct Glob: Equatable, Sendable {
    private enum Token: Equatable, Sendable {
        case byte(UInt8)
        case set(ByteSet)
        /// `?`
        case notSlash
        /// `*`
        case manyNotSlash
        /// `**`
        case many
        /// Nothing by itself: `many` and the slash behind it may be left out.
        case optionalDirectories
    }

    private let tokens: [Token]
    /// Of a set of states, one for each token and one for a match.
    private let words: Int

    private static let slash = UInt8(ascii: "/")
    private static let star = UInt8(ascii: "*")
    private static let backslash = UInt8(ascii: "\\")

    /// - Parameters:
    ///   - pattern: from its first wildcard on.
    ///   - crossesDirectories: whether `**` stands for directories where it is alone between slashes or at an end.
    /// - Throws: where it is one that nothing can match.
    init(_ pattern: ArraySlice<UInt8>, crossesDirectories: Bool) throws(PatternError) {
        var tokens: [Token] = []
        var rest = pattern
        // What stands before; nil at the beginning.
        var last: UInt8?
        while let byte = rest.popFirst() {
            let isAlone = last == nil || last == Self.slash
            last = byte
            switch byte {
            case Self.star:
                let more = rest.prefix { $0 == Self.star }.count
                rest = rest.dropFirst(more)
                guard more > 0, crossesDirectories, isAlone else {
                    tokens.append(.manyNotSlash)
                    continue
                }
                if rest.first == Self.slash {
                    rest = rest.dropFirst()
                    last = Self.slash
                    // One after another is the same as one.
                    let directories: [Token] = [.optionalDirectories, .many, .byte(Self.slash)]
                    if !tokens.suffix(3).elementsEqual(directories) { tokens += directories }
                } else {
                    let isBeforeSlash = rest.starts(with: [Self.backslash, Self.slash])
                    tokens.append(rest.isEmpty || isBeforeSlash ? .many : .manyNotSlash)
                }
            case UInt8(ascii: "?"): tokens.append(.notSlash)
            case UInt8(ascii: "["): tokens.append(.set(try Self.set(&rest)))
            case Self.backslash:
                guard let escaped = rest.popFirst() else { throw PatternError("ends in the middle of an escape, '\\'") }
                tokens.append(.byte(escaped))
                last = escaped
            default: tokens.append(.byte(byte))
            }
        }
        self.tokens = tokens
        words = tokens.count / 64 + 1
    }

    /// What stands between `[` and `]`, as fnmatch(3) has it. A slash is in no set.
    private static func set(_ rest: inout ArraySlice<UInt8>) throws(PatternError) -> ByteSet {
        var set = ByteSet()
        var isNegated = false
        if rest.first == UInt8(ascii: "!") || rest.first == UInt8(ascii: "^") {
            isNegated = true
            rest = rest.dropFirst()
        }
        let unended = PatternError("has a '[' without its ']' (a '[' that is meant is written '\\[')")
        func next() throws(PatternError) -> UInt8 {
            guard let byte = rest.popFirst() else { throw unended }
            return byte
        }
        // What a range may begin with; nil after a range or a class.
        var first: UInt8?
        // A bracket that closes at once is a member.
        var isBegun = false
        while true {
            var byte = try next()
            if byte == UInt8(ascii: "]"), isBegun { break }
            isBegun = true
            if byte == backslash {
                byte = try next()
            } else if byte == UInt8(ascii: "-"), let from = first, let end = rest.first, end != UInt8(ascii: "]") {
                var end = try next()
                if end == backslash { end = try next() }
                set.insert { from <= $0 && $0 <= end }
                first = nil
                continue
            } else if byte == UInt8(ascii: "["), rest.first == UInt8(ascii: ":") {
                let inner = rest.dropFirst()
                guard let end = inner.firstIndex(of: UInt8(ascii: "]")) else { throw unended }
                if end > inner.startIndex, inner[end - 1] == UInt8(ascii: ":") {
                    let name = inner[inner.startIndex..<(end - 1)]
                    guard let isMember = ByteSet.isMember(ofClass: name) else {
                        throw PatternError(
                            "has no class of characters in '[:\(String(decoding: name, as: UTF8.self)):]'")
                    }
                    set.insert(where: isMember)
                    rest = inner[(end + 1)...]
                    first = nil
                    continue
                }
            }
            set.insert(byte)
            first = byte
        }
        if isNegated { set.invert() }
        set.remove(slash)
        return set
    }

    /// Whether all of `text` matches.
    func matches(_ text: ArraySlice<UInt8>) -> Bool {
        withUnsafeTemporaryAllocation(of: UInt64.self, capacity: 2 * words) { buffer in
            buffer.initialize(repeating: 0)
            var (now, next) = (0, words)
            enter(0, buffer, now)
            for byte in text {
                var isAlive = false
                for word in 0..<words {
                    var states = buffer[now + word]
                    while states != 0 {
                        let state = 64 * word + states.trailingZeroBitCount
                        states &= states - 1
                        isAlive = step(state, byte, buffer, next) || isAlive
                    }
                    buffer[now + word] = 0
                }
                if !isAlive { return false }
                swap(&now, &next)
            }
            return buffer[now + tokens.count / 64] & 1 << UInt64(tokens.count % 64) != 0
        }
    }

    /// Where a byte leads from a state.
    ///
    /// - Returns: whether it leads anywhere.
    private func step(_ state: Int, _ byte: UInt8, _ buffer: UnsafeMutableBufferPointer<UInt64>, _ next: Int) -> Bool {
        guard state < tokens.count else { return false }
        switch tokens[state] {
        case .byte(let wanted): guard byte == wanted else { return false }
        case .set(let set): guard set.contains(byte) else { return false }
        case .notSlash: guard byte != Self.slash else { return false }
        case .manyNotSlash:
            guard byte != Self.slash else { return false }
            enter(state, buffer, next)
            return true
        case .many:
            enter(state, buffer, next)
            return true
        case .optionalDirectories: return false
        }
        enter(state + 1, buffer, next)
        return true
    }

    /// Adds a state, and those that come without a byte. They are few: what may be nothing never follows on its like.
    private func enter(_ state: Int, _ buffer: UnsafeMutableBufferPointer<UInt64>, _ set: Int) {
        let bit = UInt64(1) << UInt64(state % 64)
        guard buffer[set + state / 64] & bit == 0 else { return }
        buffer[set + state / 64] |= bit
        guard state < tokens.count else { return }
        switch tokens[state] {
        case .many, .manyNotSlash: enter(state + 1, buffer, set)
        case .optionalDirectories:
            enter(state + 1, buffer, set)
            enter(state + 3, buffer, set)
        default: break
        }
    }
}
