import Glibc
package import Transfer

/// Options of one job, beside those of the whole run: words of ``table`` with their values, and `-o`.
package struct JobOptions: Sendable, Equatable {
    /// By the names of ``table``; `true` for a flag that is given.
    package private(set) var values: [String: Value] = [:]
    /// What stands behind `-o`, in order.
    package var mount: [String] = []

    package enum Value: Sendable, Equatable {
        case flag(Bool)
        case number(Int)
    }

    /// One option: its name in JSON, where it is written with `-` or `_`, and on a line, as `--name`.
    private struct Option: Sendable {
        let name: String
        let letter: Character?
        let apply: Effect
    }

    private enum Effect: Sendable {
        case flag(@Sendable (inout CopyRules, Bool) -> Void)
        case number(ClosedRange<Int>, @Sendable (inout CopyRules, Int) -> Void)
    }

    private static let table: [Option] = [
        Option(name: "recursive", letter: "r", apply: .flag { $0.recursive = $1 }),
        Option(name: "preserve", letter: "p", apply: .flag { $0.preserve = $1 }),
        Option(
            name: "archive", letter: "a",
            apply: .flag {
                ($0.recursive, $0.preserve, $0.hardLinks, $0.sparse) = ($1, $1, $1, $1)
                ($0.owner, $0.ownerIsImplied) = ($1 && geteuid() == 0, true)
            }),
        Option(name: "hard-links", letter: "H", apply: .flag { $0.hardLinks = $1 }),
        Option(name: "owner", letter: nil, apply: .flag { ($0.owner, $0.ownerIsImplied) = ($1, false) }),
        Option(name: "sparse", letter: "S", apply: .flag { $0.sparse = $1 }),
        Option(name: "checksum", letter: "c", apply: .flag { $0.checksum = $1 }),
        Option(name: "size-only", letter: nil, apply: .flag { $0.sizeOnly = $1 }),
        Option(name: "ignore-times", letter: "I", apply: .flag { $0.ignoreTimes = $1 }),
        Option(name: "update", letter: "u", apply: .flag { $0.update = $1 }),
        Option(name: "existing", letter: nil, apply: .flag { $0.existing = $1 }),
        Option(name: "ignore-existing", letter: nil, apply: .flag { $0.ignoreExisting = $1 }),
        Option(name: "fsync", letter: nil, apply: .flag { $0.synchronize = $1 }),
        Option(name: "jobs", letter: nil, apply: .number(1...1024) { $0.jobs = $1 }),
    ]

    /// The options there are, for messages.
    private static var names: String { (table.map(\.name) + ["o"]).joined(separator: ", ") }

    package init() {}

    /// - Returns: whether the option stands alone on a line; nil where there is none of that name.
    static func isFlag(_ name: String) -> Bool? {
        guard let option = find(name) else { return nil }
        if case .flag = option.apply { return true }
        return false
    }

    static func name(letter: Character) -> String? { table.first { $0.letter == letter }?.name }

    private static func find(_ name: String) -> Option? {
        let name = String(name.map { $0 == "_" ? "-" : $0 })
        return table.first { $0.name == name }
    }

    /// - Throws: ``UsageError`` naming the option and what is wrong with it.
    package mutating func set(_ name: String, _ value: Value) throws(UsageError) {
        guard let option = Self.find(name) else {
            throw UsageError("option '\(name)' is not known; there are \(Self.names)")
        }
        switch (option.apply, value) {
        case (.flag, .flag): break
        case (.flag, .number): throw UsageError("option '\(name)': true or false is wanted")
        case (.number(let range, _), .number(let number)) where range.contains(number): break
        case (.number(let range, _), _):
            throw UsageError("option '\(name)': a number from \(range.lowerBound) to \(range.upperBound) is wanted")
        }
        values[option.name] = value
    }

    /// The run's options with this job's in their place.
    package func applied(to options: CopyRules) -> CopyRules {
        var options = options
        for option in Self.table {
            switch (option.apply, values[option.name]) {
            case (.flag(let set), .flag(let value)): set(&options, value)
            case (.number(_, let set), .number(let value)): set(&options, value)
            default: break
            }
        }
        return options
    }

    // MARK: In the state

    /// As it is kept: JSON; nil where there are none.
    var stored: String? {
        if values.isEmpty && mount.isEmpty { return nil }
        var members = values.sorted { $0.key < $1.key }.map { name, value in
            switch value {
            case .flag(let flag): (name, JSONValue.bool(flag))
            case .number(let number): (name, JSONValue.number("\(number)"))
            }
        }
        if !mount.isEmpty { members.append(("o", .array(mount.map { .string($0) }))) }
        return JSONValue.object(members).text
    }

    /// - Throws: ``UsageError`` where it is nothing that ``stored`` makes.
    init(stored: String?) throws(UsageError) {
        guard let stored else {
            self.init()
            return
        }
        let json: JSONValue
        do throws(JSONError) {
            json = try JSONValue(Array(stored.utf8))
        } catch {
            throw UsageError("options '\(stored)': \(error)")
        }
        try self.init(json)
    }

    /// The member `options` of a JSON line.
    ///
    /// - Throws: ``UsageError`` naming the option and what is wrong with it.
    init(_ json: JSONValue) throws(UsageError) {
        guard case .object(let members) = json else { throw UsageError("options: an object is wanted") }
        for (name, value) in members {
            switch value {
            case .bool(let flag): try set(name, .flag(flag))
            case .number(let text):
                guard let number = Int(text) else { throw UsageError("option '\(name)': a whole number is wanted") }
                try set(name, .number(number))
            case .string(let text) where name == "o": mount.append(text)
            case .array(let items) where name == "o":
                for item in items {
                    guard case .string(let text) = item else { throw UsageError("option 'o': strings are wanted") }
                    mount.append(text)
                }
            default:
                guard name == "o" || Self.find(name) != nil else {
                    throw UsageError("option '\(name)' is not known; there are \(Self.names)")
                }
                throw UsageError("option '\(name)': its value is of the wrong kind")
            }
        }
    }
}
