import Glibc
import TestSupport
import Testing

/// Each copy rule against Linux's own NFS server, which has no XFER.
@Suite(.inPeerLab, .serialized) struct RuleTests {
    /// One way each, all of them in turn: that the others are no different is seen on xferd.
    @Test func everyRule() throws {
        try withKernelServer { site in
            let (tlscd, socket) = try site.startDaemon()
            defer { _ = try? tlscd.stop() }
            try write("*~\n", to: site.directory.path + "/rules")
            let rules = KernelServerRules(site: site, socket: socket)
            var ways = 0
            for (number, rule) in RuleCase.all.enumerated() {
                ways += 1
                // Mostly to the server: what this end does when it fetches has little to do with who serves.
                let turn: [RuleOperation] = [.syncUp, .put, .syncUp, .syncDown, .put, .get]
                let operation = turn[ways % turn.count]
                let possible = rule.operations.contains(operation) ? operation : rule.operations[0]
                let problems = try rule.problems(possible, on: rules, number: number, isPlanned: false)
                #expect(problems == [], "\(rule.name), \(possible.rawValue)")
            }
        }
    }
}

private struct KernelServerRules: RuleSite {
    let site: KernelServerSite
    let socket: String

    var rulesRemote: (directory: String, place: String) { (site.secure, "localhost:\(site.secure)") }
    var rulesLocal: String { site.local }

    func runRule(_ command: String, _ arguments: [String]) throws -> Ended {
        try site.start(command, arguments, "tlscd=\(socket),cleartext_mount").wait(seconds: 240)
    }
}
