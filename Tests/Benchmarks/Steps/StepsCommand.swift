import ArgumentParser
import TestSupport

/// `bench steps`
struct Steps: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Where the time of a get and a put goes, and how near the machine's limit they are.",
        discussion: """
            Each step of a copy is measured for itself, by all processors at once: processor seconds for each GB. Their \
            sum, shared by all processors, is the least a copy can take; what get and put take is beside it. In the \
            user record layer.
            """)

    @OptionGroup var common: CommonOptions

    @Option(help: ArgumentHelp("Of the file that is copied; each step moves as much.", valueName: "MiB"))
    var size = 2048
    @Option(help: "How often.")
    var rounds = 5

    /// The share of the limit that is to be reached at least.
    private static let wanted = 0.8

    func validate() throws {
        guard (16...1 << 20).contains(size), (1...1000).contains(rounds) else {
            throw ValidationError("--size: 16 to 1048576; --rounds: 1 to 1000")
        }
    }

    func run() throws {
        let bytes = size << 20
        let workspace = try Workspace(in: common.place, needed: 2 * bytes + (100 << 20))
        defer { workspace.end() }
        let site = try XferSite(workspace, layer: "user")
        defer { site.stop() }
        let xfer = Xfer(site, layer: "user", flags: ["--record-layer", "user"])
        try Content.file(workspace.path("served/file"), size: bytes)
        var section = Results.Section(
            settings: ["rounds": "\(rounds)", "size": "\(size) MiB", "cipher": cipherSuite, "place": common.place],
            versions: Versions.all())

        let costs = StepCosts(workspace: workspace, bytes: bytes)
        let copies = Copies(workspace: workspace, rounds: 1, bytes: bytes, files: 1)
        let jobs: [CopyJob] = [.fetchLarge, .pushLarge]
        // The first touch of a virtual machine's memory is its host's time, and nobody's.
        for job in jobs { _ = try copies.measure(job, LocalCopy(workspace)) }
        var steps: [Step: [Sample]] = [:]
        var taken: [CopyJob: [Sample]] = [:]
        // Steps and copies in turn, so that a machine that changes its speed changes both.
        for round in 1...rounds {
            Progress.say("steps, round \(round) of \(rounds)")
            for step in Step.allCases where step != .receive {
                for (step, cost) in try costs.measure(step) { steps[step, default: []].append(Sample(value: cost)) }
            }
            for job in jobs {
                taken[job, default: []].append(try copies.measure(job, xfer))
                try workspace.remove("\(job.target)/\(job.name)")
            }
        }
        for step in Step.allCases {
            section.measurements.append(
                Measurement(
                    subject: "steps", peer: step.rawValue, label: step.label, unit: "s/GB", samples: steps[step] ?? []))
        }
        for job in jobs {
            var measurement = Measurement(
                subject: job.rawValue, peer: "xfer", label: job.isPush ? "xfer put" : "xfer get", unit: "s",
                bytes: bytes)
            measurement.samples = taken[job] ?? []
            section.measurements.append(measurement)
        }
        section.targets = StepsSummary(section)?.targets(wanted: Self.wanted) ?? []
        try common.finish(section, as: "steps")
    }
}

/// The sum of the steps beside what a copy took.
struct StepsSummary {
    struct Copy {
        let label: String
        /// Processor seconds of both ends for each GB.
        let processor: Double
        /// Seconds for each GB that went by.
        let elapsed: Double
        /// What of the limit is reached: 1 where nothing but the steps costs time, on all processors at once.
        let share: Double
    }

    /// Processor seconds for each GB.
    let sum: Double
    /// Seconds for each GB at least.
    let limit: Double
    let copies: [Copy]

    init?(_ section: Results.Section) {
        let steps = section.measurements.filter { $0.subject == "steps" }
        guard !steps.isEmpty else { return nil }
        sum = steps.map(\.median).reduce(0, +)
        let limit = sum / Double(max(1, section.machine.processors))
        self.limit = limit
        copies = section.measurements.compactMap { one in
            guard let bytes = one.bytes, let processor = one.processorSeconds else { return nil }
            let moved = Double(bytes) / 1e9
            let elapsed = one.median / moved
            return Copy(label: one.label, processor: processor / moved, elapsed: elapsed, share: limit / elapsed)
        }
    }

    func targets(wanted: Double) -> [Target] {
        copies.map { Target("\($0.label): share of the sum-of-steps limit", atLeast: wanted, $0.share, unit: "") }
    }
}
