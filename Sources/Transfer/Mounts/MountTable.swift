/// The table of short names, `xfer mount`: text as fstab(5) has it, so that a person can read and edit it.
///
///     # name  place               options
///     work    server:/data/work   port=20490,cafile=/etc/tlsd/ca.pem
///
/// Blanks, tabs, line ends and backslashes in a field are written as fstab(5) does: `\040`. Comments and blank lines stay
/// where they are when a name is added or taken away.
package struct MountTable: Sendable, Equatable {
    private enum Line: Sendable, Equatable {
        case other(String)
        case entry(MountedName, text: String)

        var text: String {
            switch self {
            case .other(let text), .entry(_, let text): text
            }
        }
    }

    private var lines: [Line] = []

    package init() {}

    /// - Parameters:
    ///   - text: of the whole table.
    ///   - file: its path, for errors.
    /// - Throws: ``UsageError`` naming the file, the line and what is wrong with it.
    package init(_ text: String, file: String) throws(UsageError) {
        var number = 0
        // Scalars, not characters: to Swift a line end of two bytes is one character, and an accent belongs to a blank.
        for line in text.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false) {
            number += 1
            let fields = line.split(whereSeparator: { $0 == " " || $0 == "\t" || $0 == "\r" }).map(String.init)
            guard let first = fields.first, !first.hasPrefix("#") else {
                lines.append(.other(String(line)))
                continue
            }
            do throws(UsageError) {
                let entry = try Self.entry(fields)
                guard self[entry.name] == nil else { throw UsageError("the name '\(entry.name)' is there twice") }
                lines.append(.entry(entry, text: String(line)))
            } catch {
                throw UsageError("\(file), line \(number): \(error)")
            }
        }
        if lines.last == .other("") { lines.removeLast() }
    }

    private static func entry(_ fields: [String]) throws(UsageError) -> MountedName {
        guard fields.count == 2 || fields.count == 3 else {
            throw UsageError("a name, a place and perhaps options are wanted, and here are \(fields.count) fields")
        }
        return try MountedName(
            unescaped(fields[0]), place: unescaped(fields[1]), options: fields.count == 3 ? unescaped(fields[2]) : "")
    }

    /// As written back.
    package var text: String { lines.map { $0.text + "\n" }.joined() }

    /// In the table's order.
    package var entries: [MountedName] {
        lines.compactMap { line in
            guard case .entry(let entry, _) = line else { return nil }
            return entry
        }
    }

    package subscript(name: String) -> MountedName? { entries.first { $0.name == name } }

    package mutating func add(_ entry: MountedName) {
        var fields = [entry.name, entry.place.description]
        if !entry.options.isEmpty { fields.append(entry.options) }
        lines.append(.entry(entry, text: fields.map(Self.escaped).joined(separator: "\t")))
    }

    /// - Returns: what stood under the name; nil where there is no such name.
    package mutating func remove(_ name: String) -> MountedName? {
        guard let entry = self[name] else { return nil }
        lines.removeAll { line in
            if case .entry(entry, _) = line { true } else { false }
        }
        return entry
    }

    /// `known: a, b`, or that there are none: for who named one that is not there.
    package var known: String {
        let names = entries.map(\.name)
        return names.isEmpty ? "no name is mounted" : "mounted are \(names.joined(separator: ", "))"
    }

    private static let escapes: [(scalar: Unicode.Scalar, text: String)] = [
        (" ", "\\040"), ("\t", "\\011"), ("\n", "\\012"), ("\r", "\\015"), ("\\", "\\134"),
    ]

    private static func escaped(_ text: String) -> String {
        text.unicodeScalars.map { scalar in escapes.first { $0.scalar == scalar }?.text ?? String(scalar) }.joined()
    }

    private static func unescaped(_ text: String) -> String {
        var result = String.UnicodeScalarView()
        var rest = text.unicodeScalars[...]
        while let first = rest.first {
            if let escape = escapes.first(where: { rest.starts(with: $0.text.unicodeScalars) }) {
                result.append(escape.scalar)
                rest = rest.dropFirst(escape.text.unicodeScalars.count)
            } else {
                result.append(first)
                rest = rest.dropFirst()
            }
        }
        return String(result)
    }
}
