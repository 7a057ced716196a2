package import NFS

/// What a copy takes and what it leaves out: `--include`, `--exclude` and `--exclude-from`, with patterns as
/// gitignore(5) has them, of which the last that matches counts.
///
/// Where there are includes and not one exclude, what is asked for is what they name: everything else stays out, but
/// for directories, which are searched. (With gitignore's meaning alone, as with rsync's, the includes would do
/// nothing at all.)
package struct Filter: Sendable {
    /// What becomes of one path.
    package enum Admission: Sendable, Equatable {
        case admitted
        /// A directory that nobody asked for, but something in it may be.
        case searched
        /// Left out, and all below it with it: `by` is the pattern as it was written; nil where no include names it.
        case excluded(by: String?)
    }

    private struct Rule: Sendable {
        let pattern: Pattern
        let text: String
    }

    private var rules: [Rule] = []
    /// The last rule for each name alone, for anything of that name and for directories: long lists are lists of names.
    private var names: [ArraySlice<UInt8>: (any: Int, directory: Int)] = [:]
    /// Indices of the other rules.
    private var others: [Int] = []
    private var hasInclude = false
    private var hasExclude = false

    package init() {}

    /// Nothing is left out.
    package var isEmpty: Bool { rules.isEmpty }

    private var takesIncludedAlone: Bool { hasInclude && !hasExclude }

    /// `--exclude`: a pattern, which `!` turns into an include.
    ///
    /// - Throws: ``UsageError`` where nothing can match it.
    package mutating func exclude(_ pattern: String) throws(UsageError) {
        let rule = try Self.rule(Array(pattern.utf8)[...], "--exclude '\(pattern)'")
        add(rule)
    }

    /// `--include`: what an exclude with `!` before it is.
    ///
    /// - Throws: ``UsageError`` where nothing can match it.
    package mutating func include(_ pattern: String) throws(UsageError) {
        let place = "--include '\(pattern)'"
        guard !pattern.hasPrefix("!") else {
            throw UsageError("\(place): '!' is for --exclude (a '!' that is meant is written '\\!')")
        }
        add(try Self.rule(Array("!\(pattern)".utf8)[...], place))
        hasInclude = true
    }

    /// One line of a file of patterns; comments and empty lines are nothing.
    ///
    /// - Parameters:
    ///   - line: without its LF.
    ///   - place: the file and the line's number, for errors.
    /// - Throws: ``UsageError`` where nothing can match it.
    package mutating func add(line: ArraySlice<UInt8>, place: String) throws(UsageError) {
        var line = line
        if line.last == UInt8(ascii: "\r") { line = line.dropLast() }
        guard line.first != UInt8(ascii: "#") else { return }
        line = Self.withoutTrailingSpaces(line)
        guard !line.isEmpty else { return }
        add(try Self.rule(line, "\(place): '\(String(decoding: line, as: UTF8.self))'"))
    }

    /// `--exclude-from`: all lines of a file.
    ///
    /// - Parameter name: the file's, for errors.
    /// - Throws: ``UsageError`` naming file and line.
    package mutating func add(lines bytes: [UInt8], of name: String) throws(UsageError) {
        // UTF-8's byte order mark, as some editors write it.
        var bytes = bytes[...]
        if bytes.starts(with: [0xef, 0xbb, 0xbf]) { bytes = bytes.dropFirst(3) }
        let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        for (index, line) in lines.enumerated() { try add(line: line, place: "\(name) line \(index + 1)") }
    }

    private static func rule(_ text: ArraySlice<UInt8>, _ place: String) throws(UsageError) -> Rule {
        do throws(PatternError) {
            return Rule(pattern: try Pattern(text), text: String(decoding: text, as: UTF8.self))
        } catch {
            throw UsageError("\(place): the pattern \(error)")
        }
    }

    private mutating func add(_ rule: Rule) {
        let index = rules.count
        rules.append(rule)
        if !rule.pattern.isNegated { hasExclude = true }
        guard let name = rule.pattern.singleName else { return others.append(index) }
        var last = names[name] ?? (-1, -1)
        if rule.pattern.matchesDirectoriesOnly { last.directory = index } else { last.any = index }
        names[name] = last
    }

    /// Spaces at the end do not count, but those behind `\`.
    private static func withoutTrailingSpaces(_ line: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        var end = line.startIndex
        var index = line.startIndex
        while index < line.endIndex {
            if line[index] == UInt8(ascii: "\\") {
                // With nothing behind it, it is the pattern that is wrong, not its end.
                index = min(index + 2, line.endIndex)
                end = index
            } else {
                index += 1
                if line[index - 1] != UInt8(ascii: " ") { end = index }
            }
        }
        return line[..<end]
    }

    // MARK: Asking

    /// Whether a path is taken, as long as the directories above it are: nobody descends into those that are not.
    ///
    /// - Parameter path: from the top of the copy, with a slash neither before nor behind it; never empty.
    package func admits(_ path: [UInt8], isDirectory: Bool) -> Bool {
        if case .excluded = admission(path, isDirectory: isDirectory) { return false }
        return true
    }

    /// The same, of the names on the way from the top.
    package func admits(_ path: [FileName], isDirectory: Bool) -> Bool {
        rules.isEmpty || admits(Array(path.map(\.bytes).joined(separator: [UInt8(ascii: "/")])), isDirectory: isDirectory)
    }

    /// The same, and why.
    package func admission(_ path: [UInt8], isDirectory: Bool) -> Admission {
        if rules.isEmpty { return .admitted }
        if takesIncludedAlone {
            // All that is in an included directory was asked for with it.
            if lastMatch(path[...], isDirectory) != nil { return .admitted }
            if Self.directories(above: path).contains(where: { lastMatch($0, true) != nil }) { return .admitted }
            return isDirectory ? .searched : .excluded(by: nil)
        }
        guard let rule = lastMatch(path[...], isDirectory), !rule.pattern.isNegated else { return .admitted }
        return .excluded(by: rule.text)
    }

    /// Whether a path is taken and every directory above it too, for who comes to it otherwise than from the top.
    package func reaches(_ path: [UInt8], isDirectory: Bool) -> Bool {
        Self.directories(above: path).allSatisfy { admits(Array($0), isDirectory: true) }
            && admits(path, isDirectory: isDirectory)
    }

    private static func directories(above path: [UInt8]) -> some Sequence<ArraySlice<UInt8>> {
        path.indices.lazy.filter { path[$0] == UInt8(ascii: "/") }.map { path[..<$0] }
    }

    private func lastMatch(_ path: ArraySlice<UInt8>, _ isDirectory: Bool) -> Rule? {
        let name = path.lastIndex(of: UInt8(ascii: "/")).map { path[($0 + 1)...] } ?? path
        var last = -1
        if let named = names[name] { last = isDirectory ? max(named.any, named.directory) : named.any }
        for index in others.reversed() {
            if index < last { break }
            let pattern = rules[index].pattern
            if pattern.matchesDirectoriesOnly && !isDirectory { continue }
            if pattern.matches(path, name: name) {
                last = index
                break
            }
        }
        return last < 0 ? nil : rules[last]
    }
}
