import ArgumentParser
import Glibc
import Jobs

struct JobsStatus: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Say how far a run is, also while it goes on.",
        discussion: "  xfer jobs status nightly.jobs\n  xfer jobs status --json /var/tmp/stream.jobs")

    @OptionGroup(title: "State") var state: JobsState

    @Flag(name: .long, help: "One JSON object.")
    var json = false

    @Argument(help: "The file of the copies, or the state; the last one where left out.")
    var file: String?

    func run() throws {
        let path = try state.path(orLast: file)
        let store = try JobStore(path, readOnly: true)
        let status = try store.status()
        let settings = try RunSettings(store)
        let isLive = StateFile.isRunning(path)
        let now = Clock.now
        let ended = status.totals.done + status.totals.failed + status.totals.bad - (settings?.endedBefore ?? 0)
        let began = settings?.began ?? 0
        let seconds = (isLive ? now : status.at) - began
        let rate = began > 0 && seconds > 0 ? Double(max(0, ended)) / seconds : 0
        if json {
            var members = [
                ("state", JSON.string(path)), ("input", settings.map { .string($0.input) } ?? .null),
                ("live", .bool(isLive)), ("input_complete", .bool(status.inputIsComplete)),
            ]
            members += JobsSummary.members(status.totals)
            members += [
                ("jobs_per_second", .number(rate)), ("began", .number(began)), ("changed", .number(status.at)),
                (
                    "running",
                    .array(
                        status.running.map { job, started in
                            .object([
                                ("line", .integer(job.line)), ("id", job.id.map { .string($0) } ?? .null),
                                ("op", job.operation.map { .string($0.rawValue) } ?? .null),
                                ("src", .string(job.source)), ("dst", .string(job.destination)),
                                ("seconds", .number(max(0, now - started))),
                            ])
                        })
                ),
            ]
            JobsSummary.print(JSON.object(members).description)
            return try JobsSummary.flush()
        }
        let input = settings.map { $0.input == "-" ? "standard input" : $0.input } ?? "?"
        JobsSummary.print(Messages.printable("jobs of \(input)\nstate \(path)"))
        JobsSummary.print(
            "\(JobsSummary.text(status.totals)), \(Units.bytes(Double(status.totals.bytes))) in \(status.totals.files) files"
                + (status.inputIsComplete ? "" : "; more may come from the input"))
        let age = "\(Units.duration(max(0, now - status.at))) ago"
        JobsSummary.print(
            isLive
                ? "runs since \(Units.duration(max(0, now - began))), \(Units.decimal(rate, 0)) jobs/s"
                : "does not run; last change \(age), \(Units.decimal(rate, 0)) jobs/s then")
        for (job, started) in status.running {
            let what = isLive ? "running since \(Units.duration(max(0, now - started)))" : "was running when it ended"
            JobsSummary.print(
                Messages.printable(
                    "  line \(job.line), \(what): \(job.operation?.rawValue ?? "") \(job.source) \(job.destination)"))
        }
        try JobsSummary.flush()
    }
}
