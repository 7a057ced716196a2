package import Transfer

/// Reads the lines of the input: `get SRC DST`, `put SRC DST`, or a JSON object.
package struct JobParser: Sendable {
    /// A place on a server; nil for a local path.
    private let remote: @Sendable (String) throws(UsageError) -> RemoteName?

    /// Bytes of a line that is taken.
    package static let longest = 64 << 10

    package init(remote: @escaping @Sendable (String) throws(UsageError) -> RemoteName?) { self.remote = remote }

    /// - Parameters:
    ///   - bytes: the line without its end.
    ///   - number: of the line, from 1.
    package func parse(_ bytes: [UInt8], line number: Int64) -> ParsedLine {
        do throws(UsageError) {
            guard bytes.count <= Self.longest else {
                throw UsageError("longer than \(Self.longest) bytes")
            }
            guard let text = String(validating: bytes.last == 13 ? bytes.dropLast() : bytes[...], as: UTF8.self) else {
                throw UsageError("bytes that are no UTF-8")
            }
            guard !text.contains("\0") else { throw UsageError("a NUL") }
            let first = text.utf8.first { $0 != 32 && $0 != 9 }
            guard let first else { return .blank }
            let job = first == UInt8(ascii: "{") ? try json(text, number) : try plain(text, number)
            guard let job else { return .blank }
            try check(job)
            return .job(job)
        } catch {
            return .bad(
                line: number, text: String(decoding: bytes.prefix(200), as: UTF8.self), reason: error.description)
        }
    }

    private func plain(_ text: String, _ number: Int64) throws(UsageError) -> Job? {
        let words = try ShellWords.split(text)
        guard let first = words.first else { return nil }
        guard let operation = Job.Operation(rawValue: first) else {
            throw UsageError("'\(first)' is neither get nor put")
        }
        var options = JobOptions()
        var places: [String] = []
        var onlyPlaces = false
        var rest = words.dropFirst()
        while let word = rest.popFirst() {
            if onlyPlaces || !word.hasPrefix("-") || word == "-" {
                places.append(word)
            } else if word == "--" {
                onlyPlaces = true
            } else if word.hasPrefix("--") {
                try long(word.dropFirst(2), &rest, &options)
            } else {
                try letters(word.dropFirst(), &rest, &options)
            }
        }
        guard places.count == 2 else {
            throw UsageError("\(first) wants a source and a destination, and there are \(places.count) names")
        }
        return Job(
            line: number, operation: operation, source: places[0], destination: places[1], options: options)
    }

    private func long(
        _ word: Substring, _ rest: inout ArraySlice<String>, _ options: inout JobOptions
    ) throws(UsageError) {
        let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let name = parts.first ?? ""
        if JobOptions.isFlag(name) != false {
            guard parts.count == 1 else { throw UsageError("option --\(name) takes no value") }
            return try options.set(name, .flag(true))
        }
        guard let text = parts.count > 1 ? parts[1] : rest.popFirst(), let number = Int(text) else {
            throw UsageError("option --\(name): a number is wanted")
        }
        try options.set(name, .number(number))
    }

    private func letters(
        _ word: Substring, _ rest: inout ArraySlice<String>, _ options: inout JobOptions
    ) throws(UsageError) {
        var letters = word
        while let letter = letters.popFirst() {
            if letter == "o" {
                let value = letters.isEmpty ? rest.popFirst() : String(letters)
                guard let value else { throw UsageError("option -o wants a value") }
                options.mount.append(value)
                return
            }
            guard let name = JobOptions.name(letter: letter) else { throw UsageError("option -\(letter) is not known") }
            try options.set(name, .flag(true))
        }
    }

    private func json(_ text: String, _ number: Int64) throws(UsageError) -> Job? {
        let value: JSONValue
        do throws(JSONError) {
            value = try JSONValue(Array(text.utf8))
        } catch {
            throw UsageError("\(error)")
        }
        guard case .object(let members) = value else { throw UsageError("a JSON object is wanted") }
        var texts: [String: String] = [:]
        var options = JobOptions()
        for (name, value) in members {
            switch (name, value) {
            case ("op", .string(let text)), ("src", .string(let text)), ("dst", .string(let text)),
                ("id", .string(let text)), ("id", .number(let text)):
                texts[name] = text
            case ("id", .null): break
            case ("options", _): options = try JobOptions(value)
            case ("op", _), ("src", _), ("dst", _), ("id", _): throw UsageError("'\(name)': a string is wanted")
            default: throw UsageError("'\(name)' is none of op, src, dst, options, id")
            }
        }
        guard let name = texts["op"] else { throw UsageError("'op' is missing") }
        guard let operation = Job.Operation(rawValue: name) else {
            throw UsageError("op '\(name)' is neither get nor put")
        }
        guard let source = texts["src"] else { throw UsageError("'src' is missing") }
        guard let destination = texts["dst"] else { throw UsageError("'dst' is missing") }
        return Job(
            line: number, id: texts["id"], operation: operation, source: source, destination: destination,
            options: options)
    }

    /// What can be known before it is done.
    private func check(_ job: Job) throws(UsageError) {
        let (there, here) = job.operation == .get ? (job.source, job.destination) : (job.destination, job.source)
        guard !there.isEmpty, !here.isEmpty else { throw UsageError("an empty name") }
        guard !there.contains("\0"), !here.contains("\0") else { throw UsageError("a name with a NUL") }
        guard let name = try remote(there) else {
            throw UsageError("'\(there)' is a local path; a place on a server is written host:/export/path")
        }
        if try remote(here) != nil {
            throw UsageError("'\(here)' is on a server; \(job.operation.rawValue) copies to or from this machine")
        }
        var options = MountOptions()
        for item in name.options + job.options.mount { try options.apply(item) }
    }
}
