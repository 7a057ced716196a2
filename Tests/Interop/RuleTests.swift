import Glibc
import TestSupport
import Testing

/// Each copy rule against Linux's own NFS server, which has no XFER.
@Suite(.inPeerLab, .serialized) struct RuleTests {
    /// Each way, on one server: to start one takes longer than a copy.
    @Test func everyRuleEveryWay() throws {
        try withRules { rules in
            for (number, (rule, operation)) in RuleCase.ways.enumerated() {
                let problems = try rule.problems(operation, on: rules, number: number, isPlanned: false)
                #expect(problems == [], "\(rule.name), \(operation.rawValue)")
            }
        }
    }

    @Test func resumption() throws {
        try withRules { rules in
            for (number, operation) in RuleOperation.allCases.enumerated() {
                let problems = try operation.resumptionProblems(on: rules, number: number)
                #expect(problems == [], "\(operation.rawValue)")
            }
        }
    }

    private func withRules(_ body: (KernelServerRules) throws -> Void) throws {
        try withKernelServer { site in
            let (tlscd, socket) = try site.startDaemon()
            defer { _ = try? tlscd.stop() }
            try write("*~\n", to: site.directory.path + "/rules")
            try body(KernelServerRules(site: site, socket: socket))
        }
    }
}

private struct KernelServerRules: RuleSite {
    let site: KernelServerSite
    let socket: String

    var rulesRemote: (directory: String, place: String) { (site.relayed, "localhost:\(site.relayed)") }
    var rulesLocal: String { site.local }
    var rulesPort: UInt16 { 2049 }

    func startRule(_ command: String, _ arguments: [String], port: UInt16) throws -> RunningProgram {
        try site.start(
            command, arguments, "tlscd=\(socket),cleartext_mount,port=\(port),mountport=\(KernelServerSite.mountPort)")
    }
}
