import ArgumentParser
import Transfer

/// What get, put and sync have in common.
struct CopyArguments: ParsableArguments {
    @OptionGroup(title: "What is copied, and how") var rules: RuleArguments

    @Flag(name: .long, help: "Write events to standard output, one JSON object a line, and no display.")
    var json = false

    /// Runs a copy with its display, and says what came of it.
    ///
    /// - Throws: ``ExitStatus`` where not all of it was done.
    func run(
        _ name: RemoteName, _ connection: ConnectionOptions, label: String,
        _ placement: Copy.Placement, isRepeatable: Bool = true,
        _ body: @escaping @Sendable (Copy) async throws -> Report
    ) async throws {
        let bandwidth = rules.bandwidth()
        let rules = try rules.rules().completed(for: placement)
        let items = !json && (rules.dryRun || rules.itemize) ? ItemOutput() : nil
        let output = CopyOutput(
            label: label, style: json ? .json : connection.quiet ? .quiet : .lines, items: items,
            isRepeatable: isRepeatable)
        try await output.run { progress in
            try await connection.withRemote(name, bandwidth: bandwidth, ahead: [.object, .capabilities]) { remote in
                defer { output.protected(by: remote.session.protections) }
                return try await body(Copy(remote: remote, rules: rules, progress: progress))
            }
        }
    }
}
