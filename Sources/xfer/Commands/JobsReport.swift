import ArgumentParser
import Jobs

struct JobsReport: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report", abstract: "Say what became of each copy.",
        usage: "xfer jobs report [<options>] [<file>]",
        discussion: "  xfer jobs report --failed nightly.jobs\n  xfer jobs report --csv nightly.jobs >nightly.csv")

    @OptionGroup(title: "State") var state: JobsState

    @Flag(name: .long, help: "A JSON object for each copy that has ended, as run writes them.")
    var json = false

    @Flag(name: .long, help: "Comma-separated values (RFC 4180) with a line of headings.")
    var csv = false

    @Flag(name: .long, help: "Only copies that failed, and lines that are none.")
    var failed = false

    @Argument(help: "The file of the copies, or the state; the last one where left out.")
    var file: String?

    func validate() throws {
        if json && csv { throw ValidationError("--json and --csv: one of them") }
    }

    func run() throws {
        let store = try JobStore(try state.path(orLast: file), readOnly: true)
        if csv { JobsSummary.print(Self.headings.joined(separator: ",") + "\r") }
        try store.forEachOutcome(failed: failed) { outcome in
            if json {
                JobsSummary.print(JobLine.text(outcome))
            } else if csv {
                JobsSummary.print(Self.row(outcome) + "\r")
            } else {
                JobsSummary.print(Messages.printable(Self.text(outcome)))
            }
        }
        if !json && !csv { JobsSummary.print(JobsSummary.text(try store.status().totals)) }
        try JobsSummary.flush()
    }

    private static func text(_ outcome: JobOutcome) -> String {
        let name = outcome.id.map { "\(outcome.line) (\($0))" } ?? "\(outcome.line)"
        guard let operation = outcome.operation else {
            return "\(name): \(outcome.status.rawValue): \(outcome.source): \(outcome.error ?? "")"
        }
        let what = "\(name): \(outcome.status.rawValue): \(operation.rawValue) \(outcome.source) \(outcome.destination)"
        if let error = outcome.error { return "\(what): \(error)" }
        return "\(what): \(Units.bytes(Double(outcome.bytes))) in \(Units.seconds(outcome.seconds))"
    }

    private static let headings = [
        "line", "id", "op", "src", "dst", "status", "bytes", "files", "seconds", "attempts", "error",
    ]

    private static func row(_ outcome: JobOutcome) -> String {
        [
            "\(outcome.line)", outcome.id ?? "", outcome.operation?.rawValue ?? "", outcome.source,
            outcome.destination, outcome.status.rawValue, "\(outcome.bytes)", "\(outcome.files)",
            JSON.number(outcome.seconds).description, "\(outcome.attempts)", outcome.error ?? "",
        ].map(field).joined(separator: ",")
    }

    /// RFC 4180 section 2: quotes around what has a comma, a quote or an end of line, quotes in it twice.
    private static func field(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: { [",", "\"", "\n", "\r"].contains($0) }) else { return text }
        return "\"\(text.unicodeScalars.map { $0 == "\"" ? "\"\"" : String($0) }.joined())\""
    }
}
