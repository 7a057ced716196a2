import ArgumentParser
import Glibc
import Kernel
import Synchronization
import Transfer

/// What is copied, when it is up to date, what is kept of it and how: for every command that copies.
struct RuleArguments: ParsableArguments {
    // MARK: What is copied

    @Flag(name: .shortAndLong, help: "Copy directories with all that is in them.")
    var recursive = false

    @Flag(name: .shortAndLong, help: "All as it is: -r -p -H -S, and for root --owner.")
    var archive = false

    @OptionGroup(title: "What is left out") var filters: FilterArguments

    @Flag(name: [.customShort("S"), .long], help: "Keep the holes of sparse files.")
    var sparse = false

    // MARK: What is up to date

    @Flag(name: [.customShort("c"), .long], help: "Compare content, not size and time.")
    var checksum = false

    @Flag(name: .long, help: "Compare size alone.")
    var sizeOnly = false

    @Flag(name: [.customShort("I"), .long], help: "Copy what has the same size and time too.")
    var ignoreTimes = false

    @Option(
        name: .long,
        help: ArgumentHelp("Take times that are so far apart for the same.", valueName: "seconds"))
    var modifyWindow: UInt32 = 0

    @Flag(name: [.customShort("u"), .long], help: "Leave alone what is newer in the target.")
    var update = false

    @Flag(name: .long, help: "Make nothing that is not in the target yet.")
    var existing = false

    @Flag(name: .long, help: "Change nothing that is in the target already.")
    var ignoreExisting = false

    // MARK: What is kept

    @Flag(name: .shortAndLong, help: "Keep mode and times.")
    var preserve = false

    @Flag(name: [.customShort("H"), .long], help: "Keep files that are one under several names one.")
    var hardLinks = false

    @Flag(name: .long, help: "Keep user and group, by their numbers.")
    var owner = false

    // MARK: How

    @Flag(name: .long, help: "Remove from the target what is not in the source.")
    var delete = false

    @Option(
        name: .long, help: ArgumentHelp("Remove nothing where it would be more than so many.", valueName: "number"))
    var maxDelete: Int?

    @Flag(name: [.customShort("n"), .long], help: "Do nothing; say what would be done.")
    var dryRun = false

    @Flag(name: [.customShort("i"), .long], help: "Say each change.")
    var itemizeChanges = false

    @Flag(name: .long, help: "Have files on the disk before they get their names.")
    var fsync = false

    @Option(name: .long, help: ArgumentHelp("Files at once.", valueName: "number"))
    var jobs = 32

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Bytes a second, over all connections and both ways: 50M, 1.5Gi; 0 or none for no limit.",
            valueName: "rate"),
        transform: RateArgument.init)
    var limit = RateArgument.none

    func validate() throws {
        guard (1...1024).contains(jobs) else { throw ValidationError("--jobs: 1 to 1024") }
        try refuse(sizeOnly && checksum, "--size-only and --checksum: compare either size alone or content")
        try refuse(
            ignoreTimes && (sizeOnly || checksum),
            "--ignore-times copies everything; \(sizeOnly ? "--size-only" : "--checksum") what differs")
        try refuse(
            modifyWindow > 0 && ((sizeOnly || checksum) && !update && !keepsTimes || ignoreTimes && !update),
            "--modify-window is about times, and no times are compared here")
        try refuse(
            existing && ignoreExisting && !delete,
            "--existing and --ignore-existing: nothing is left to copy")
        if let maxDelete {
            guard delete else { throw ValidationError("--max-delete is for --delete") }
            guard maxDelete >= 0 else { throw ValidationError("--max-delete: 0 or more") }
        }
    }

    private var keepsTimes: Bool { preserve || archive }

    private func refuse(_ isWrong: Bool, _ why: String) throws {
        if isWrong { throw ValidationError(why) }
    }

    // MARK: What they come to

    /// - Throws: ``UsageError`` naming a file that cannot be read, or file, line and pattern.
    func rules() throws -> CopyRules {
        var rules = CopyRules()
        rules.recursive = recursive || archive
        rules.filter = try filters.filter()
        rules.sparse = sparse || archive
        rules.checksum = checksum
        rules.sizeOnly = sizeOnly
        rules.ignoreTimes = ignoreTimes
        rules.modifyWindow = modifyWindow
        rules.update = update
        rules.existing = existing
        rules.ignoreExisting = ignoreExisting
        rules.preserve = keepsTimes
        rules.hardLinks = hardLinks || archive
        // For others than root it could only fail, file by file.
        rules.owner = owner || archive && geteuid() == 0
        rules.ownerIsImplied = !owner
        rules.delete = delete
        rules.maxDelete = maxDelete
        rules.dryRun = dryRun
        rules.itemize = itemizeChanges
        rules.synchronize = fsync
        rules.jobs = jobs
        return rules
    }

    /// `--limit`, for all sessions of the command; nil: there is none.
    func bandwidth() -> TokenBucket? { limit.bytes.map { TokenBucket(rate: $0) } }
}

/// What `--limit` says.
struct RateArgument: Sendable {
    /// A second; nil: without limit.
    let bytes: UInt64?

    static let none = RateArgument(bytes: nil)

    private init(bytes: UInt64?) { self.bytes = bytes }

    init(_ text: String) throws {
        if text == "none" {
            self = .none
            return
        }
        guard let count = ByteCount(text) else {
            throw ValidationError("'\(text)' is not a number of bytes a second, such as 50M or 1.5Gi")
        }
        bytes = count.bytes == 0 ? nil : count.bytes
    }
}
