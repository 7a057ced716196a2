import ArgumentParser
import Glibc
import Jobs
import Transfer

struct JobsList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the states of runs, the last one first.",
        discussion: "  xfer jobs list\n  xfer jobs list --json")

    @Flag(name: .long, help: "A JSON object for each.")
    var json = false

    func run() throws {
        for path in Self.states() {
            do {
                let store = try JobStore(path, readOnly: true)
                let status = try store.status()
                let input = try RunSettings(store)?.input ?? ""
                let isLive = StateFile.isRunning(path)
                if json {
                    JobsSummary.print(
                        JSON.object(
                            [
                                ("state", .string(path)), ("input", .string(input)), ("live", .bool(isLive)),
                                ("input_complete", .bool(status.inputIsComplete)), ("changed", .number(status.at)),
                            ] + JobsSummary.members(status.totals)
                        ).description)
                } else {
                    let name = path.split(separator: "/").last ?? ""
                    JobsSummary.print(
                        Messages.printable(
                            "\(name): \(JobsSummary.text(status.totals))\(isLive ? ", runs now" : ""), \(Units.duration(max(0, Clock.now - status.at))) ago: \(input)"
                        ))
                }
            } catch {
                // One that is damaged hides no other.
                Messages.error(error)
            }
        }
        try JobsSummary.flush()
    }

    /// The states in the usual place, the one written last first.
    static func states() -> [String] {
        let directory = StateDirectory.jobs
        guard let listing = opendir(directory) else { return [] }
        defer { closedir(listing) }
        var states: [(path: String, time: Int)] = []
        while let entry = readdir(listing) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard name.hasSuffix(StateFile.suffix), !name.hasPrefix(".") else { continue }
            let path = "\(directory)/\(name)"
            var status = stat()
            guard stat(path, &status) == 0 else { continue }
            var time = status.st_mtim.tv_sec
            // A run writes there until it ends.
            if stat(path + "-wal", &status) == 0 { time = max(time, status.st_mtim.tv_sec) }
            states.append((path, time))
        }
        return states.sorted { ($0.time, $0.path) > ($1.time, $1.path) }.map(\.path)
    }

    /// A state's jobs, and whether all of its input was read.
    static func look(_ path: String) throws -> (JobTotals, isComplete: Bool) {
        let status = try JobStore(path, readOnly: true).status()
        return (status.totals, status.inputIsComplete)
    }

    static func isUnfinished(_ path: String) -> Bool {
        guard let (totals, isComplete) = try? look(path) else { return false }
        return totals.left > 0 || !isComplete
    }
}

struct JobsForget: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "forget", abstract: "Remove states; what was copied stays.",
        discussion: "  xfer jobs forget nightly.jobs")

    @OptionGroup(title: "State") var state: JobsState

    @Argument(help: "Files of copies, or states.")
    var files: [String] = []

    func run() throws {
        let paths = files.map { state.path($0) } + (files.isEmpty ? [state.state].compactMap { $0 } : [])
        guard !paths.isEmpty else { throw UsageError("which state: name the file of jobs, or its --state") }
        for path in paths {
            // Nothing that is none is removed.
            _ = try JobStore(path, readOnly: true)
            try StateFile.remove(path)
        }
    }
}
