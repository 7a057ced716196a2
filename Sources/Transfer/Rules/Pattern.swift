/// What is wrong with a pattern: that nothing can match it. Git takes such ones silently, and who wrote one finds
/// what was to be left out among what was copied.
struct PatternError: Error, Equatable, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// One pattern, as gitignore(5) has it; of bytes, not characters.
struct Pattern: Equatable, Sendable {
    /// `!`: what matches is not excluded after all.
    let isNegated: Bool
    /// `/` at its end.
    let matchesDirectoriesOnly: Bool
    /// Without a slash elsewhere: it is for the last name of a path, in whichever directory.
    let matchesNames: Bool
    /// What it begins with, up to the first wildcard.
    private let prefix: [UInt8]
    /// The rest; nil where there is no wildcard.
    private let glob: Glob?

    private static let slash = UInt8(ascii: "/")

    /// - Parameter text: a pattern, with `!` before it or not; not a comment, and without the end of its line.
    init(_ text: ArraySlice<UInt8>) throws(PatternError) {
        var text = text
        isNegated = text.first == UInt8(ascii: "!")
        if isNegated { text = text.dropFirst() }
        matchesDirectoriesOnly = text.last == Self.slash
        if matchesDirectoriesOnly { text = text.dropLast() }
        matchesNames = !text.contains(Self.slash)
        if text.first == Self.slash { text = text.dropFirst() }
        guard !text.isEmpty else { throw PatternError("is empty") }
        guard !text.contains(0) else { throw PatternError("has a zero byte, which no name has") }
        prefix = Array(text.prefix { !Self.special.contains($0) })
        // Beginning anew behind the prefix, `foo**/bar` crosses directories, against gitignore(5) and as git does it.
        let rest = text.dropFirst(prefix.count)
        glob = rest.isEmpty ? nil : try Glob(rest, crossesDirectories: !matchesNames)
    }

    private static let special = Array("*?[\\".utf8)

    /// Whether a path matches, of a directory or not being asked already.
    ///
    /// - Parameters:
    ///   - path: from the top of the copy, with a slash neither before nor behind it.
    ///   - name: the last of its names.
    func matches(_ path: ArraySlice<UInt8>, name: ArraySlice<UInt8>) -> Bool {
        let text = matchesNames ? name : path
        guard let glob else { return text.elementsEqual(prefix) }
        return text.starts(with: prefix) && glob.matches(text.dropFirst(prefix.count))
    }

    /// The name it matches, where that is one name alone.
    var singleName: ArraySlice<UInt8>? { matchesNames && glob == nil ? prefix[...] : nil }
}
