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

/// Where rules are tried: a server's directory, one of this machine, and an xfer that knows how to reach the one.
package protocol RuleSite: Sendable {
    /// The server's, on this machine's disk, and as its clients name it.
    var rulesRemote: (directory: String, place: String) { get }
    var rulesLocal: String { get }
    /// Runs a command in ``rulesLocal``.
    func runRule(_ command: String, _ arguments: [String]) throws -> Ended
}

extension RuleCase {
    /// Tries it.
    ///
    /// - Parameters:
    ///   - number: no other trial of the site has it.
    ///   - isPlanned: a dry run comes first.
    /// - Returns: what is wrong.
    package func problems(
        _ operation: RuleOperation, on site: some RuleSite, number: Int, isPlanned: Bool = true
    ) throws -> [String] {
        let (remote, local) = ("\(site.rulesRemote.directory)/\(number)", "\(site.rulesLocal)/\(number)")
        try makeTree(remote, [])
        try makeTree(local, [])
        let sourcePath = (operation.isFetch ? remote : local) + "/tree"
        let targetPath = (operation.isFetch ? local : remote) + "/tree"
        try makeTree(sourcePath, source)
        if let target { try makeTree(targetPath, target) }

        var arguments = arguments + (operation.isSync ? [] : named)
        let there = "\(site.rulesRemote.place)/\(number)"
        switch operation {
        case .get: arguments += ["\(there)/tree", "\(number)"]
        case .put: arguments += ["\(number)/tree", there]
        case .syncDown: arguments += ["\(there)/tree/", "\(number)/tree"]
        case .syncUp: arguments += ["\(number)/tree/", "\(there)/tree"]
        }
        let command = operation.isSync ? "sync" : operation.rawValue
        func run(_ option: String) throws -> (lines: [String], ended: Ended) {
            let ended = try site.runRule(command, [option] + arguments)
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
        return problems
    }
}
