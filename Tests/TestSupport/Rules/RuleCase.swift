/// A way to copy a tree.
package enum RuleOperation: String, Sendable, CaseIterable {
    case get, put
    case syncDown = "sync from the server"
    case syncUp = "sync to the server"

    var isFetch: Bool { self == .get || self == .syncDown }
    package var isSync: Bool { self == .syncDown || self == .syncUp }
}

/// A rule of copies: two trees, what the command line says, and what comes of it, whichever way it goes.
package struct RuleCase: Sendable {
    package let name: String
    var source: [Thing]
    /// Nil: there is none.
    var target: [Thing]?
    /// Options of the command.
    var arguments: [String]
    /// What get and put need besides, to keep what sync keeps always.
    var named: [String] = ["-rp"]
    /// The target afterwards; nil: as the source.
    var expected: [Thing]?
    /// What `-i` and `-n` say, in any order. Nil: anything.
    var items: [String]?
    /// The same of a second run; nil: there is none.
    var again: [String]? = []
    var status: Int32 = 0
    /// Of what goes to standard error.
    var words: [String] = []
    /// Bytes a second: a further run, of everything, keeps to this `--limit`.
    var limit: Int?
    package var operations = RuleOperation.allCases

    init(
        _ name: String, _ arguments: [String] = [], from source: [Thing], to target: [Thing]? = [],
        gives expected: [Thing]? = nil, _ items: [String]?
    ) {
        self.name = name
        self.arguments = arguments
        self.source = source
        self.target = target
        self.expected = expected
        self.items = items
    }

    /// The same with some of it changed.
    func with(_ change: (inout RuleCase) -> Void) -> RuleCase {
        var result = self
        change(&result)
        return result
    }
}

extension RuleCase {
    /// Each rule each way.
    package static let ways = all.flatMap { rule in rule.operations.map { (rule, $0) } }

    /// Tries it.
    ///
    /// - Parameters:
    ///   - number: no other trial of the site has it.
    ///   - isPlanned: a dry run comes first.
    /// - Returns: what is wrong.
    package func problems(
        _ operation: RuleOperation, on site: some RuleSite, number: Int, isPlanned: Bool = true
    ) throws -> [String] {
        let trial = try RuleTrial(operation, on: site, number: number)
        let (sourcePath, targetPath) = (trial.source, trial.target)
        try makeTree(sourcePath, source)
        if let target { try makeTree(targetPath, target) }

        let arguments = arguments + (operation.isSync ? [] : named) + trial.places
        func run(_ options: String...) throws -> (lines: [String], ended: Ended) {
            let ended = try site.runRule(trial.command, options + arguments)
            return (ended.output.split(separator: "\n").map(String.init).sorted(), ended)
        }
        var problems: [String] = []
        let (sourceBefore, targetBefore) = (FoundTree(sourcePath), FoundTree(targetPath))

        let plan = isPlanned ? try run("-n") : nil
        if let plan, plan.ended.status != status { problems.append("-n: \(plan.ended)") }
        problems += FoundTree(targetPath).changes(since: targetBefore).map { "-n has changed: \($0)" }

        let copied = try run("-i")
        if copied.ended.status != status { problems.append("\(copied.ended)") }
        for word in words where !copied.ended.error.contains(word) {
            problems.append("the message lacks '\(word)': \(copied.ended.error)")
        }
        if let plan, plan.lines != copied.lines { problems.append("planned \(plan.lines), done \(copied.lines)") }
        if let items, items.sorted() != copied.lines {
            problems.append("done \(copied.lines), expected \(items.sorted())")
        }
        let after = FoundTree(targetPath)
        problems += after.problems(expected ?? source)
        problems += FoundTree(sourcePath).changes(since: sourceBefore).map { "the source is another one: \($0)" }

        if let again {
            let second = try run("-i")
            if second.ended.status != status { problems.append("again: \(second.ended)") }
            if second.lines != again.sorted() { problems.append("again: done \(second.lines)") }
            if again.isEmpty {
                problems += FoundTree(targetPath).changes(since: after).map { "again: has touched: \($0)" }
            }
        }
        if let limit {
            let limited = try run("--limit", "\(limit)", "--ignore-times", "--json")
            if let problem = Self.problem(limit, limited.ended, of: source) { problems.append(problem) }
        }
        return problems
    }

    /// What its summary says, on a slow machine too: no more bytes than the limit allows for its time, those of 50 ms,
    /// and those of one call, which may be the largest that carries a whole file.
    private static func problem(_ limit: Int, _ ended: Ended, of source: [Thing]) -> String? {
        let sizes = source.map { if case .file(let text) = $0.kind { text.utf8.count } else { 0 } }
        let summary = ended.output.split(separator: "\n").last { $0.contains("\"summary\"") } ?? ""
        guard ended.status == 0, let bytes = summary.firstMatch(of: /"bytes":([0-9]+)/).flatMap({ Int($0.output.1) }),
            let seconds = summary.firstMatch(of: /"seconds":([0-9.]+)/).flatMap({ Double($0.output.1) })
        else { return "no summary: \(ended)" }
        if bytes != sizes.reduce(0, +) { return "--limit: \(bytes) bytes were moved" }
        let most = Double(limit) * (seconds + 0.05) + Double(256 << 10)
        return Double(bytes) <= most ? nil : "--limit \(limit): \(bytes) bytes in \(seconds) s"
    }
}
