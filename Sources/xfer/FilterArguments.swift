import ArgumentParser
import Glibc
import Kernel
import Synchronization
import Transfer

/// `--exclude`, `--include` and `--exclude-from`, in the order in which they were given.
struct FilterArguments: ParsableArguments {
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
        completion: .file(), transform: FilterArgument.file)
    var excludeFrom: [FilterArgument] = []

    func validate() throws {
        guard excludeFrom.filter({ $0.text == "-" }).count <= 1 else {
            throw ValidationError("--exclude-from -: standard input can be read once")
        }
        try refuseIncludesUndone()
        // All but the files, which are read when the command runs.
        _ = try filter(reading: { _ in [] })
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

    /// - Throws: ``UsageError`` naming a file that cannot be read, or file, line and pattern.
    func filter() throws -> Filter { try filter(reading: Self.read) }

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
