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

    @Flag(name: .shortAndLong, help: "All as it is: -r -p -H, and for root --owner.")
    var archive = false

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Leave out what matches, as in a .gitignore; the last of all patterns that matches counts.",
            valueName: "pattern"),
        transform: FilterArgument.exclude)
    var exclude: [FilterArgument] = []

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Take what matches after all. Without any exclude: take nothing else.", valueName: "pattern"),
        transform: FilterArgument.include)
    var include: [FilterArgument] = []

    @Option(
        name: .long,
        help: ArgumentHelp("A file of such patterns, one a line; - for standard input.", valueName: "file"),
        transform: FilterArgument.file)
    var excludeFrom: [FilterArgument] = []

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
        let fromInput = excludeFrom.filter { $0.text == "-" }.count
        try refuse(fromInput > 1, "--exclude-from -: standard input can be read once")
        try refuseIncludesUndone()
        // All but the files, which are read when the command runs.
        _ = try filter(reading: { _ in [] })
    }

    private var keepsTimes: Bool { preserve || archive }

    private func refuse(_ isWrong: Bool, _ why: String) throws {
        if isWrong { throw ValidationError(why) }
    }

    /// rsync's order is the other one, its first match counts: `--include '*.c' --exclude '*'` would copy nothing here.
    private func refuseIncludesUndone() throws {
        var seen: String?
        for argument in inOrder {
            switch argument.kind {
            case .include: seen = seen ?? argument.text
            case .exclude where ["*", "**", "/*", "/**"].contains(argument.text):
                guard let seen else { continue }
                throw ValidationError(
                    "--include '\(seen)' does nothing before --exclude '\(argument.text)': "
                        + "the last that matches counts; put the exclude first, or leave it out")
            default: continue
            }
        }
    }

    // MARK: What they come to

    /// - Throws: ``UsageError`` naming a file that cannot be read, or file, line and pattern.
    func rules() throws -> CopyRules {
        var rules = CopyRules()
        rules.recursive = recursive || archive
        rules.filter = try filter(reading: Self.read)
        rules.sparse = sparse
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

    private var inOrder: [FilterArgument] { (exclude + include + excludeFrom).sorted { $0.place < $1.place } }

    private func filter(reading read: (String) throws -> [UInt8]) throws -> Filter {
        var filter = Filter()
        for argument in inOrder {
            switch argument.kind {
            case .exclude: try filter.exclude(argument.text)
            case .include: try filter.include(argument.text)
            case .file:
                let name = argument.text == "-" ? "standard input" : argument.text
                try filter.add(lines: try read(argument.text), of: name)
            }
        }
        return filter
    }

    /// Patterns of a file; more than these are somebody's mistake.
    private static let longest = 64 << 20

    private static func read(_ path: String) throws -> [UInt8] {
        do throws(SystemError) {
            var bytes: [UInt8] = []
            var buffer = [UInt8](repeating: 0, count: 65536)
            let file = path == "-" ? nil : SharedDescriptor(try Files.open(path, O_RDONLY))
            while bytes.count <= longest {
                let count = try systemCall("read") { Glibc.read(file?.raw ?? STDIN_FILENO, &buffer, buffer.count) }
                if count == 0 { return bytes }
                bytes += buffer.prefix(count)
            }
        } catch {
            throw UsageError("--exclude-from \(path): \(error)")
        }
        throw UsageError("--exclude-from \(path): has more than \(longest >> 20) MiB")
    }
}

/// One of `--exclude`, `--include` and `--exclude-from`.
struct FilterArgument: Sendable {
    enum Kind: Sendable { case exclude, include, file }

    let kind: Kind
    let text: String
    /// Greater than that of what stands before it on the command line: the order between different options counts,
    /// which ArgumentParser does not tell. It reads them from left to right.
    let place: Int

    private static let places = Atomic<Int>(0)

    private init(_ kind: Kind, _ text: String) throws {
        guard !text.isEmpty else { throw ValidationError("it is empty") }
        self.kind = kind
        self.text = text
        place = Self.places.add(1, ordering: .relaxed).newValue
    }

    static func exclude(_ text: String) throws -> FilterArgument { try FilterArgument(.exclude, text) }
    static func include(_ text: String) throws -> FilterArgument { try FilterArgument(.include, text) }
    static func file(_ text: String) throws -> FilterArgument { try FilterArgument(.file, text) }
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
