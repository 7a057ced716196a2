/// Reads one file; see ``ExportsFile``. It goes on behind a mistake, to find them all.
struct ExportsFileParser {
    private(set) var mistakes: [ExportsFileError.Mistake] = []
    private var entries: [Entry] = []
    private var indexes: [String: Int] = [:]
    private let checksDirectories: Bool

    private struct Entry {
        let export: Export
        let line: Int
        var rules: [ExportRule] = []
        var lines: [ClientPattern: Int] = [:]
    }

    init(checksDirectories: Bool) { self.checksDirectories = checksDirectories }

    /// In the order of the file.
    var exports: [Export] { entries.map { $0.export.with($0.rules) } }

    mutating func read(_ text: [UInt8]) {
        var reader = ExportsFileReader(text)
        var words: [ExportsFileWord] = []
        while let token = reader.next() {
            switch token {
            case .word(let word): words.append(word)
            case .endOfLine:
                take(words)
                words = []
            case .unclosedQuote(let word): wrong(word, "a \" has no other on its line")
            }
        }
        take(words)
    }

    private mutating func wrong(_ word: ExportsFileWord, _ reason: String) {
        mistakes.append(.init(line: word.line, word: ExportsFileWord.shown(word.units), reason))
    }

    private mutating func wrong(_ line: Int, _ word: WrongWord) {
        mistakes.append(.init(line: line, word: ExportsFileWord.shown(word.word.utf8.map(UInt16.init)), word.reason))
    }

    /// A path and its clients.
    private mutating func take(_ words: [ExportsFileWord]) {
        guard let path = words.first else { return }
        let index = entry(path)
        if words.count == 1 { wrong(path, "no client stands behind it; * is everybody") }
        var defaults = ExportOptionWords()
        var unused: ExportsFileWord?
        for word in words.dropFirst() {
            guard ExportsFileWord.text(word.units) != nil else {
                wrong(word, "it is no UTF-8 text")
                continue
            }
            if word.units.first == ExportsFileWord.unit("-") {
                take(word.units.dropFirst(), of: word, into: &defaults)
                unused = word
                continue
            }
            unused = nil
            if let rule = rule(word, defaults), let index {
                add(rule, to: index, word)
            }
        }
        // FreeBSD's exports(5) takes them for everybody's: better asked than guessed.
        if let unused { wrong(unused, "no client stands behind these options; * is everybody") }
    }

    /// The entry of a path, which may be there already; nil where the path is wrong.
    private mutating func entry(_ word: ExportsFileWord) -> Int? {
        guard let text = ExportsFileWord.text(word.units) else {
            wrong(word, "it is no UTF-8 text")
            return nil
        }
        // Between a name and a directory; \075 is one that a name has.
        let pairs = zip(word.units, word.units.dropFirst())
        let slash = ExportsFileWord.unit("/")
        let equals = pairs.enumerated().first { _, pair in
            pair.0 & ~ExportsFileWord.quoted == ExportsFileWord.unit("=") && pair.1 & 0xff == slash
        }?.offset
        let name = Self.trimmed(equals.flatMap { ExportsFileWord.text(word.units.prefix($0)) } ?? text)
        let directory = equals.flatMap { ExportsFileWord.text(word.units.dropFirst($0 + 1)) } ?? text
        do throws(ExportError) {
            let export = try Export(name: name, directory: Self.trimmed(directory), rules: [])
            if let index = indexes[name], let there = entries.dropFirst(index).first {
                guard there.export.directory == export.directory else {
                    wrong(word, "it is the directory \(there.export.directory) on line \(there.line)")
                    return nil
                }
                return index
            }
            if checksDirectories, let reason = Export.obstacle(toServing: export.directory) { wrong(word, reason) }
            indexes[name] = entries.count
            entries.append(Entry(export: export, line: word.line))
            return entries.count - 1
        } catch {
            wrong(word, error.reason)
            return nil
        }
    }

    /// Without slashes at its end.
    private static func trimmed(_ path: String) -> String {
        var path = path[...]
        while path.utf8.count > 1 && path.hasSuffix("/") { path = path.dropLast() }
        return String(path)
    }

    /// `client(opt,opt)`, or `client`.
    private mutating func rule(_ word: ExportsFileWord, _ defaults: ExportOptionWords) -> ExportRule? {
        let open = ExportsFileWord.unit("(")
        let close = ExportsFileWord.unit(")")
        let name = word.units.prefix { $0 != open }
        var options = defaults
        let found = mistakes.count
        if name.count < word.units.count {
            let behind = word.units.dropFirst(name.count + 1)
            let list = behind.prefix { $0 != close }
            if list.count == behind.count {
                wrong(word, "a ( has no ) in the same word; options stand together without spaces")
                return nil
            }
            if list.count + 1 < behind.count { wrong(word, "something stands behind the )") }
            if !list.isEmpty { take(list, of: word, into: &options) }
        }
        guard !name.isEmpty else {
            wrong(word, "no client stands right before the (; * is everybody")
            return nil
        }
        let text = ExportsFileWord.text(name) ?? ""
        do throws(WrongWord) {
            let client = try ClientPattern(parsing: text)
            // Options that are wrong anyway need not be told that they contradict each other.
            if mistakes.count == found, let reason = options.options.contradiction(for: client) {
                throw WrongWord(text, reason)
            }
            return ExportRule(client: client, options: options.options)
        } catch {
            wrong(word.line, error)
            return nil
        }
    }

    private mutating func take(
        _ list: ArraySlice<UInt16>, of word: ExportsFileWord, into options: inout ExportOptionWords
    ) {
        let words = list.split(separator: ExportsFileWord.unit(","), omittingEmptySubsequences: false)
        for mistake in options.take(words.map { ExportsFileWord.text($0) ?? "" }) {
            if mistake.word.isEmpty { wrong(word, mistake.reason) } else { wrong(word.line, mistake) }
        }
    }

    private mutating func add(_ rule: ExportRule, to index: Int, _ word: ExportsFileWord) {
        guard entries.indices.contains(index) else { return }
        if let line = entries[index].lines.updateValue(word.line, forKey: rule.client) {
            let client = ExportsFileWord.shown(word.units.prefix { $0 != ExportsFileWord.unit("(") })
            wrong(word.line, WrongWord(client, "this client of the same path is on line \(line)"))
        } else {
            entries[index].rules.append(rule)
        }
    }
}
