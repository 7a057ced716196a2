import ArgumentParser
import NFS
import Transfer

struct DiskUsageCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "du", abstract: "Show what directories take on a server's disk.",
        discussion: """
            In bytes, a directory after all that is in it. A file with several names counts once. Symbolic links count \
            themselves and are not followed. Unfinished copies (.NAME.TAG.xfer) count with --unfinished alone.

              xfer du -sh server:/data
              xfer du -h -d 1 server:/data | sort -h
              xfer du -s --apparent-size server:/data    # bytes that a copy moves
              xfer du --json server:/data | jq -r '[.used, .files, .path] | @tsv'

            Exit status: 0 all counted, 1 nothing could be counted, 2 usage, 3 some could not be looked at and the sums \
            lack it.
            """,
        helpNames: .long)

    @OptionGroup(title: "Connection") var connection: ConnectionOptions

    @Flag(name: [.customShort("s"), .customLong("summarize")], help: "The sum alone.")
    var summarize = false

    @Flag(name: [.customShort("h"), .customLong("human-readable")], help: "Sizes like 1.5K, 12M.")
    var human = false

    @Flag(name: .shortAndLong, help: "Files too, not directories alone.")
    var all = false

    @Flag(name: .long, help: "Bytes of regular files and symbolic links, whatever they take on the disk.")
    var apparentSize = false

    @Option(
        name: [.customShort("d"), .customLong("max-depth")],
        help: ArgumentHelp("Directories so far below the top; 0 is the top alone.", valueName: "levels"))
    var depth: Int?

    @Flag(name: .long, help: "Count unfinished copies too.")
    var unfinished = false

    @Flag(name: .long, help: "One JSON object a line.")
    var json = false

    @Argument(
        help: ArgumentHelp("Directories or files: host:/export/path.", valueName: "path"),
        completion: PlaceCompletion.remote)
    var paths: [String]

    func validate() throws {
        guard depth.map({ $0 >= 0 }) ?? true else { throw ValidationError("-d: 0 or more") }
        guard !(summarize && (all || depth != nil)) else {
            throw ValidationError("-s is the sum alone: neither -a nor -d goes with it")
        }
    }

    func run() async throws {
        let output = Output()
        var options = DiskUsage.Options()
        options.depth = summarize ? 0 : depth ?? .max
        options.all = all
        options.unfinished = unfinished
        let (wish, human, apparent, json) = (options, human, apparentSize, json)
        let report = { @Sendable (path: FileName, total: DiskUsage.Total) throws in
            if json { return try output.line(Self.json(path, total)) }
            let bytes = apparent ? total.apparent : total.used
            try output.line(
                Array("\(human ? AttributeText.short(bytes) : "\(bytes)")\t".utf8) + output.shown(path))
        }
        try await Places(paths).run(connection, output, begin: DiskUsage.Counted.init) {
            remote, name, counted, failures in
            try await DiskUsage(remote, wish, counted, report: report, failed: failures.add)
                .measure(name.path, named: name.description)
        }
    }

    private static func json(_ path: FileName, _ total: DiskUsage.Total) -> JSON {
        .object(
            JSON.members("path", path) + [
                ("used", .unsigned(total.used)), ("apparent", .unsigned(total.apparent)),
                ("files", .unsigned(total.files)), ("directories", .unsigned(total.directories)),
            ])
    }
}
