import ArgumentParser
import Glibc
import Jobs
import Kernel
import Transfer

struct Jobs: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "jobs", abstract: "Do many copies, one for each line of a file or a pipe.",
        discussion: """
            What was done is kept in a state, a SQLite database, so that a run that was interrupted or killed goes on with \
            what is left.

              xfer jobs run nightly.jobs >nightly.log
              xfer jobs run --resume nightly.jobs >>nightly.log
              xfer jobs status nightly.jobs
              xfer jobs report --failed nightly.jobs
              xfer jobs retry nightly.jobs
            """,
        subcommands: [
            JobsRun.self, JobsStatus.self, JobsRetry.self, JobsReport.self, JobsList.self, JobsForget.self,
        ])
}

/// Which state a command is about.
struct JobsState: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp(
            "The state's own file; otherwise one in $XDG_STATE_HOME/tlsd/jobs, ~/.local/state/tlsd/jobs.",
            valueName: "file"))
    var state: String?

    @Option(name: .long, help: "Which of several runs of the same file.")
    var name: String = ""

    func validate() throws {
        guard !name.contains("/"), name.utf8.count <= 100 else {
            throw ValidationError("--name: a short word without a slash is wanted")
        }
    }

    /// The path of the state that somebody means by a file of jobs, a state, or its name in `jobs list`.
    func path(_ text: String) -> String {
        if let state { return state }
        if StateFile.isState(text) { return text }
        let directory = StateDirectory.jobs
        if !text.contains("/") {
            for name in [text, text + StateFile.suffix] where StateFile.isState("\(directory)/\(name)") {
                return "\(directory)/\(name)"
            }
        }
        return "\(directory)/\(StateFile.name(for: StateFile.absolute(text), name))"
    }

    /// The same where nothing may be meant: then the state that was written last.
    func path(orLast text: String?) throws -> String {
        if let text { return path(text) }
        if let state { return state }
        guard let last = JobsList.states().first else {
            throw JobsError("no state of jobs in \(StateDirectory.jobs): name the file of jobs, or its --state")
        }
        return last
    }
}

/// An outcome in the words of the output.
enum JobLine {
    static func text(_ outcome: JobOutcome) -> String { JSON.object(members(outcome)).description }

    static func members(_ outcome: JobOutcome) -> [(name: String, value: JSON)] {
        [
            ("line", .integer(outcome.line)),
            ("id", outcome.id.map { .string($0) } ?? .null),
            ("op", outcome.operation.map { .string($0.rawValue) } ?? .null),
            ("src", .string(outcome.source)),
            ("dst", .string(outcome.destination)),
            ("status", .string(outcome.status.rawValue)),
            ("bytes", .unsigned(outcome.bytes)),
            ("files", .integer(Int64(outcome.files))),
            ("seconds", .number(outcome.seconds)),
            ("attempts", .integer(Int64(outcome.attempts))),
            ("error", outcome.error.map { .string($0) } ?? .null),
        ]
    }
}

/// What of a state's jobs is to be told to people.
enum JobsSummary {
    static func text(_ totals: JobTotals) -> String {
        var parts = ["\(totals.done) of \(totals.total) \(totals.total == 1 ? "job" : "jobs") done"]
        if totals.failed > 0 { parts.append("\(totals.failed) failed") }
        if totals.bad > 0 { parts.append("\(totals.bad) \(totals.bad == 1 ? "line is no job" : "lines are no jobs")") }
        if totals.left > 0 { parts.append("\(totals.left) left") }
        return parts.joined(separator: ", ")
    }

    static func members(_ totals: JobTotals) -> [(name: String, value: JSON)] {
        [
            ("total", .integer(Int64(totals.total))), ("done", .integer(Int64(totals.done))),
            ("failed", .integer(Int64(totals.failed))), ("bad", .integer(Int64(totals.bad))),
            ("left", .integer(Int64(totals.left))), ("bytes", .unsigned(totals.bytes)),
            ("files", .integer(Int64(totals.files))),
        ]
    }

    /// What was asked for, to standard output.
    static func print(_ text: String) { Swift.print(text) }

    /// Standard output is out of this process, or it is an error: a full disk, a reader that went away.
    static func flush() throws {
        guard fflush(nil) == 0 else {
            throw TransferError(.local, "standard output cannot be written: \(String(cString: strerror(errno)))")
        }
    }
}
