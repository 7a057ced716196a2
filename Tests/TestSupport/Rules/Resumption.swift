import Glibc

extension RuleOperation {
    /// A file of this size has blocks enough to be resumed, and little time is lost where it is slow.
    private static let size = 8 << 20
    private static let content = pattern(size, seed: 11)

    /// Kills a copy when most of a file has moved, and runs it again: it moves what is missing, and leaves nothing else.
    ///
    /// - Parameter number: no other trial of the site has it.
    /// - Returns: what is wrong.
    package func resumptionProblems(on site: some RuleSite, number: Int) throws -> [String] {
        let trial = try RuleTrial(self, on: site, number: number)
        try makeTree(trial.source, [.directory("", at: 3000), .file("a", "1"), .directory("d"), .file("d/b", "2")])
        try write(Self.content, to: trial.source + "/big")
        try makeTree(trial.target, [.file("big", "old")])
        let relay = try CountingRelay(to: site.rulesPort)
        func start(_ options: String...) throws -> RunningProgram {
            let options = options + (isSync ? [] : ["-rp"])
            return try site.startRule(trial.command, options + trial.places, port: relay.port)
        }
        func moved(_ count: CountingRelay.Count) -> Int { isFetch ? count.down : count.up }

        // Slow enough to be killed in the middle.
        let first = try start("--limit", "8M")
        guard relay.wait(for: { moved($0) > Self.size * 3 / 4 }) else {
            first.signal(SIGKILL)
            return ["not under way: \(try first.wait())"]
        }
        first.signal(SIGKILL)
        let killed = try first.wait()
        guard killed.status == 128 + SIGKILL else { return ["was not killed: \(killed)"] }
        // Those of the small files may be there too.
        let parts = names(in: trial.target).filter {
            $0.hasPrefix(".big.") && TreeComparison.isTemporary(RawPath($0))
        }
        guard parts.count == 1, let part = parts.first else { return ["left are \(names(in: trial.target))"] }
        var problems: [String] = []
        if contents(of: trial.target + "/big") != "old" { problems.append("the killed copy changed the old file") }
        // Of a put some may still be on its way to the disk: then there is more.
        let there = min(Self.size, Int(try status(of: "\(trial.target)/\(part)").st_blocks) * 512)
        if there < Self.size / 4 { problems.append("\(there) bytes are there") }

        relay.reset()
        let second = try start().wait()
        if second.status != 0 { problems.append("again: \(second)") }
        problems += try TreeComparison.differences(RawPath(trial.source), RawPath(trial.target))
        // Two blocks that were not complete, one on each connection, and what TLS, RPC and the comparison take.
        let most = Self.size - there + (3 << 20)
        let again = moved(relay.count)
        if again > min(most, Self.size - (1 << 20)) { problems.append("\(again) bytes moved, with \(there) there") }
        return problems
    }
}
