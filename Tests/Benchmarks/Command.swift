import ArgumentParser
import Kernel
import TestSupport

@main struct Bench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench", abstract: "Measures xfer beside what people use now.",
        subcommands: [Peers.self, Steps.self, KernelLayer.self, Growth.self, MakeReport.self],
        defaultSubcommand: Peers.self)

    // On the main thread: the signals that are blocked there are blocked in all threads that come.
    @MainActor static func main() async {
        do {
            SignalDescriptor.ignoreBrokenPipes()
            TestProcess.prepare()
            try Cleanup.onSignals()
            var command = try parseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
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
