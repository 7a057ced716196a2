import Glibc
import Synchronization
import TestSupport
import Testing

/// One site for many trials of copy rules, with a tlscd that all of them use.
final class SharedRuleSite: RuleSite {
    let site: Site
    let tlscd: RunningProgram
    private let socket: String
    private let options: [String]
    private let trials = Atomic<Int>(0)

    init(_ layer: Layer, options: [String], xferd: [String] = []) throws {
        var setup = Site.Setup()
        setup.xferd = xferd
        site = try Site(layer, setup)
        (tlscd, socket) = try site.startDaemon("--allow", "65534")
        chmod(site.directory.path, 0o755)
        self.options = options
        try write("*~\n", to: site.directory.path + "/rules")
    }

    var rulesRemote: (directory: String, place: String) { (site.data, "localhost:/data") }
    var rulesLocal: String { site.local }
    var nextTrial: Int { trials.add(1, ordering: .relaxed).newValue }

    var rulesPort: UInt16 { site.port }

    func startRule(_ command: String, _ arguments: [String], port: UInt16) throws -> RunningProgram {
        try site.start(command, options + arguments, options: "tlscd=\(socket)", port: port)
    }

    /// The same as user 65534.
    func runAsSomebody(_ command: String, _ arguments: [String]) throws -> Ended {
        try RunningProgram(
            [
                "setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", Programs.path("xfer"), command,
                "-o",
                "port=\(site.port),tlscd=\(socket)",
            ] + arguments, environment: ["HOME=/nonexistent"], directory: rulesLocal
        ).wait()
    }

    func stop() throws {
        try tlscd.stop()
        try site.stop()
    }
}

/// Gives all tests of a suite one site, gone when the last of them is done.
struct RuleSiteTrait: SuiteTrait, TestScoping {
    let layer: Layer
    var options: [String] = []
    var xferd: [String] = []

    @TaskLocal static var site: SharedRuleSite?

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        let site = try SharedRuleSite(layer, options: options, xferd: xferd)
        do {
            try await Self.$site.withValue(site) { try await function() }
        } catch {
            try? site.stop()
            throw error
        }
        try site.stop()
    }
}

extension RuleCase {
    /// Tries it one way.
    func check(
        _ operation: RuleOperation, isPlanned: Bool = true, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let site = try #require(RuleSiteTrait.site)
        let problems = try problems(operation, on: site, number: site.nextTrial, isPlanned: isPlanned)
        #expect(problems == [], "\(name), \(operation.rawValue)", sourceLocation: sourceLocation)
    }
}

extension RuleOperation {
    /// Interrupts a copy this way, and goes on.
    func checkResumption(sourceLocation: SourceLocation = #_sourceLocation) throws {
        let site = try #require(RuleSiteTrait.site)
        let problems = try resumptionProblems(on: site, number: site.nextTrial)
        #expect(problems == [], "\(rawValue)", sourceLocation: sourceLocation)
    }
}

extension RuleCase {
    static let checksums = ways.filter { $0.0.name.contains("--checksum") }
    /// A few of them, each way once in a while.
    static let some = all.enumerated().filter { $0.offset % 5 == 1 }.map { number, rule in
        (rule, rule.operations[number % rule.operations.count])
    }
}

extension RuleCase: CustomTestStringConvertible {
    package var testDescription: String { name }
}
extension RuleOperation: CustomTestStringConvertible {
    package var testDescription: String { rawValue }
}
