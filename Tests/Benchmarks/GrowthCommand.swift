import ArgumentParser
import Glibc
import TestSupport

/// `bench growth`
struct Growth: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "growth",
        abstract: "What a GB, a file, a client and a round trip cost as there are more of them, or longer ones.")

    @OptionGroup var common: CommonOptions

    @Option(help: ArgumentHelp("Of the largest file; what memory has no room for is left out.", valueName: "MiB"))
    var size = 16384
    @Option(help: "Of the largest tree, 4 KiB each; what memory has no room for is left out.")
    var files = 1_000_000
    @Option(help: "Fetching at once, at most.")
    var clients = 1000
    @Option(help: ArgumentHelp("Of the file that is fetched over long paths.", valueName: "MiB"))
    var delayedSize = 512
    @Option(help: "How often; the largest of all once.")
    var rounds = 3
    @Option(help: ArgumentHelp("With commas: sizes, files, clients, delay; all if left out.", valueName: "subjects"))
    var only: String?

    private static let subjects = ["sizes", "files", "clients", "delay"]

    func validate() throws {
        guard size >= 1, files >= 100, (1...1000).contains(clients), delayedSize >= 1, (1...1000).contains(rounds)
        else {
            throw ValidationError("--size: 1 or more; --files: 100 or more; --clients, --rounds: 1 to 1000")
        }
        for name in wanted where !Self.subjects.contains(name) {
            throw ValidationError("--only: '\(name)' is none of \(Self.subjects.joined(separator: ", "))")
        }
    }

    private var wanted: [String] { only?.split(separator: ",").map(String.init) ?? Self.subjects }

    func run() async throws {
        let workspace = try Workspace(in: common.place, needed: 100 << 20)
        defer { workspace.end() }
        let site = try XferSite(workspace, layer: "auto")
        defer { site.stop() }
        let nginx = try Nginx(workspace)
        defer { nginx.stop() }
        let tunnel = try RsyncTunnel(workspace)
        defer { tunnel.stop() }
        var section = Results.Section(
            settings: [
                "rounds": "\(rounds)", "largest size": "\(size) MiB", "most files": "\(files)",
                "most clients": "\(clients)", "delayed size": "\(delayedSize) MiB", "cipher": cipherSuite,
                "place": common.place,
            ], versions: Versions.all())
        let tools = GrowthTools(
            workspace: workspace, place: common.place, site: site, nginx: nginx, tunnel: tunnel, rounds: rounds)
        if wanted.contains("sizes") { try tools.sizes(upTo: size << 20, &section) }
        if wanted.contains("files") { try tools.files(upTo: files, &section) }
        if wanted.contains("clients") { try await tools.clients(upTo: clients, &section) }
        if wanted.contains("delay") { try tools.delays(size: delayedSize << 20, &section) }
        // A part that is measured again leaves the others as they were.
        if only != nil, let before = Results.load(common.output).sections["growth"] {
            let fresh = Set(section.measurements.map(\.subject))
            section.measurements = before.measurements.filter { !fresh.contains($0.subject) } + section.measurements
        }
        section.targets = Targets.growth(section)
        try common.finish(section, as: "growth")
    }
}

/// What growth is measured with.
struct GrowthTools {
    let workspace: Workspace
    let place: String
    let site: XferSite
    let nginx: Nginx
    let tunnel: RsyncTunnel
    let rounds: Int

    /// Adds samples of several peers at one place of the axis, under a subject of its own.
    func add(
        _ measured: [Measurement], as subject: String, at x: Double, _ section: inout Results.Section
    ) {
        for one in measured {
            var point = Measurement(
                subject: subject, peer: one.peer, label: one.label, unit: one.unit, bytes: one.bytes, files: one.files,
                x: x)
            point.samples = one.samples
            section.measurements.append(point)
        }
    }
}
