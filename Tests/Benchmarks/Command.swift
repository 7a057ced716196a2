import ArgumentParser
import Glibc
import Kernel
import TestSupport

@main struct Bench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench", abstract: "Measures xfer beside what people use now.",
        subcommands: [Peers.self, Steps.self, KernelLayer.self, Growth.self, MakeReport.self],
        defaultSubcommand: Peers.self)

    // Not async: an asynchronous program's main thread has no signal blocked, and dies of those that are for another one.
    static func main() {
        let outcome = Condition<(any Error)??>(nil)
        do {
            SignalDescriptor.ignoreBrokenPipes()
            TestProcess.prepare()
            try Cleanup.onSignals()
            Task.detached {
                do {
                    var command = try parseAsRoot()
                    if var command = command as? any AsyncParsableCommand {
                        try await command.run()
                    } else {
                        try command.run()
                    }
                    outcome.withLock(wake: true) { $0 = .some(nil) }
                } catch {
                    outcome.withLock(wake: true) { $0 = .some(error) }
                }
            }
            let error = outcome.wait { $0 } ?? nil
            while Cleanup.isStopping { pause() }
            if let error { exit(withError: error) }
        } catch {
            exit(withError: error)
        }
    }
}

/// The page, of results that are there.
struct MakeReport: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "report", abstract: "Makes report.html anew.")
    @OptionGroup var common: CommonOptions

    func run() throws {
        let results = Results.load(common.output)
        for (_, section) in results.sections.sorted(by: { $0.key < $1.key }) { print(Table.text(section)) }
        try Report(results).write(to: common.output)
        print("\(common.output)/report.html")
    }
}
