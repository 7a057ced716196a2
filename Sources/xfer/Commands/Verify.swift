import ArgumentParser
import Glibc
import NFS
import Synchronization
import Transfer

struct Verify: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Compare files here with files on a server.",
        discussion: """
            Two directories with all that is in them, or two files, by their content; one of them is on a server. A server \
            that is xferd makes its checksums itself; what is on another one is read. Nothing is changed. A slash at the \
            end means nothing here: what is in the one is compared with what is in the other. A file may be compared with \
            the one of its name in a directory.

              xfer verify photos server:/backup/photos
              xfer verify -p server:/data data             # modes and times too
              xfer verify --size-only server:/data data    # no content is read
              xfer verify --json photos server:/photos | jq -r .path

            A line says what differs:

              missing   path            in the first and not in the second
              extra     path            in the second and not in the first
              differs   path (content)  or type, size, target; with -p mode, time

            Control characters in names are written \\ooo.

            Exit status: 0 all is the same, 1 nothing could be compared, \
            2 usage, 3 something differs or could not be compared.
            """)

    @OptionGroup(title: "Connection") var connection: ConnectionOptions
    @OptionGroup(title: "What is compared") var filters: FilterArguments

    @Flag(name: .shortAndLong, help: "Compare mode and times too.")
    var preserve = false

    @Flag(name: .shortAndLong, help: "All as it is: -p -H, and for root --owner.")
    var archive = false

    @Flag(name: [.customShort("H"), .long], help: "Files that are one under several names should be one.")
    var hardLinks = false

    @Flag(name: .long, help: "Compare user and group, by their numbers.")
    var owner = false

    @Flag(name: .long, help: "Compare size alone, not content.")
    var sizeOnly = false

    @Option(
        name: .long,
        help: ArgumentHelp("With -p: take times that are so far apart for the same.", valueName: "seconds"))
    var modifyWindow: UInt32 = 0

    @Option(name: .long, help: ArgumentHelp("Files at once.", valueName: "number"))
    var jobs = 32

    @Option(
        name: .long, help: ArgumentHelp("Bytes a second, over all connections: 50M, 1.5Gi.", valueName: "rate"),
        transform: RateArgument.init)
    var limit = RateArgument.none

    @Flag(name: .long, help: "One JSON object a line.")
    var json = false

    @Argument(help: "What should be.", completion: PlaceCompletion.any)
    var source: String

    @Argument(help: "What is compared with it.", completion: PlaceCompletion.any)
    var destination: String

    func validate() throws {
        guard (1...1024).contains(jobs) else { throw ValidationError("--jobs: 1 to 1024") }
    }

    private func rules() throws -> CopyRules {
        var rules = CopyRules()
        rules.recursive = true
        rules.filter = try filters.filter()
        rules.checksum = !sizeOnly
        rules.sizeOnly = sizeOnly
        rules.modifyWindow = modifyWindow
        rules.preserve = preserve || archive
        rules.exactMode = true
        rules.hardLinks = hardLinks || archive
        rules.owner = owner || archive && geteuid() == 0
        // All that a copy would do, and nothing is done.
        rules.dryRun = true
        rules.delete = true
        rules.maxDelete = .max
        rules.jobs = jobs
        return rules
    }

    func run() async throws {
        let (from, to) = (try Place.remote(source), try Place.remote(destination))
        guard let name = from ?? to, from == nil || to == nil else {
            throw UsageError(
                from == nil
                    ? "neither '\(source)' nor '\(destination)' is on a server: one is written host:/export/path"
                    : "'\(source)' and '\(destination)' are both on a server: one side must be here")
        }
        let rules = try rules()
        let verdicts = Verdicts(Output(), json: json)
        let progress = Progress(onItem: verdicts.add)
        let isTerminal = isatty(STDOUT_FILENO) == 1
        let display = connection.quiet || isTerminal ? nil : ProgressDisplay(progress, label: name.path)
        let report: Report
        do {
            let (source, destination) = (source, destination)
            report = try await connection.withRemote(
                name, bandwidth: limit.bytes.map { TokenBucket(rate: $0) }, ahead: [.object, .capabilities]
            ) {
                let copy = Copy(remote: $0, rules: rules, progress: progress)
                return from == nil
                    ? try await copy.put(source, to: name.path, .named, contents: true)
                    : try await copy.get(name.path, to: destination, .named, contents: true)
            }
            display?.stop()
        } catch {
            display?.stop()
            throw error
        }
        try verdicts.end()
        for note in report.skipped { Messages.write("xfer: not compared: \(note)") }
        for failure in report.failures { Messages.error(failure) }
        if !connection.quiet { Messages.write(verdicts.summary(failed: report.failures.count)) }
        if !verdicts.isSame || !report.failures.isEmpty { throw ExitStatus.some }
    }
}

/// What differs, written as it is found.
private final class Verdicts: Sendable {
    private let output: Output
    private let json: Bool
    private let counts = Mutex<[String: Int]>([:])
    private let failure = Mutex<(any Error)?>(nil)

    init(_ output: Output, json: Bool) {
        self.output = output
        self.json = json
    }

    @Sendable func add(_ item: Item) {
        let result = Self.result(item.action)
        counts.withLock { $0[result, default: 0] += 1 }
        if result == "same" || result == "skipped" { return }
        do {
            if json {
                try output.line(Self.json(result, item))
            } else {
                try output.line(ItemLines.line(result, item, reasons: Self.reasons(item)))
            }
        } catch {
            failure.withLock { $0 = error }
        }
    }

    private static func result(_ action: Item.Action) -> String {
        switch action {
        case .create: "missing"
        case .delete: "extra"
        case .update, .attributes, .hardLink: "differs"
        case .fail: "failed"
        case .unchanged: "same"
        case .skip: "skipped"
        }
    }

    private static func json(_ result: String, _ item: Item) -> JSON {
        .object([
            ("result", .string(result)), ("path", .string(item.path)),
            (
                "type",
                .string(
                    item.type == .directory ? "directory" : item.type == .symbolicLink ? "symlink" : "file")
            ),
            ("reasons", .array(reasons(item).map { .string($0) })),
        ])
    }

    private static func reasons(_ item: Item) -> [String] {
        item.action == .hardLink ? ["hard link"] : item.reasons.map(\.rawValue)
    }

    var isSame: Bool { counts.withLock { counts in counts.keys.allSatisfy { ["same", "skipped"].contains($0) } } }

    /// - Throws: where standard output took not all of it.
    func end() throws {
        try output.flush()
        if let error = failure.withLock({ $0 }) { throw error }
    }

    func summary(failed: Int) -> String {
        let counts = counts.withLock { $0 }
        var parts = ["\(counts["same"] ?? 0) of the files and links the same"]
        for result in ["missing", "extra", "differs"] {
            if let count = counts[result] { parts.append("\(count) \(result == "differs" ? "different" : result)") }
        }
        if failed > 0 { parts.append("\(failed) could not be compared") }
        return parts.joined(separator: ", ")
    }
}
