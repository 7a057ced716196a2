import ArgumentParser
import NFS
import Transfer

struct Cat: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cat", abstract: "Write files, or parts of them, to standard output.",
        usage: "xfer cat [<options>] <path> ...",
        discussion: """
            Files are written in the order given. A file that changes while it is read is an error, said when its bytes \
            have been written; the others go on. When a pipe's reader goes away, xfer ends without a word.

              xfer cat server:/data/log/today | grep error
              xfer cat server:/data/part.1 server:/data/part.2 > whole
              xfer cat --offset 1000000 --length 500 server:/data/table
              xfer cat -r 0-511 server:/data/disk.img | file -
              xfer cat --tail 4096 server:/data/log/today

            Exit status: 0 all written, 1 nothing could be written, 2 usage, 3 some could not be written or changed, \
            141 (as by SIGPIPE) the reader went away.
            """)

    @OptionGroup(title: "Connection") var connection: ConnectionOptions

    @Option(name: .long, help: ArgumentHelp("Bytes to pass over at the start.", valueName: "bytes"))
    var offset: UInt64?

    @Option(name: .long, help: ArgumentHelp("Bytes to write at most.", valueName: "bytes"))
    var length: UInt64?

    @Option(
        name: .shortAndLong, parsing: .unconditional,
        help: ArgumentHelp("FIRST-LAST, FIRST-, or -COUNT for the last ones; the first byte is 0.", valueName: "range"))
    var range: String?

    @Option(name: .long, help: ArgumentHelp("The last bytes, so many at most.", valueName: "bytes"))
    var tail: UInt64?

    @Argument(help: ArgumentHelp("Files: host:/export/path.", valueName: "path"), completion: PlaceCompletion.remote)
    var paths: [String]

    func validate() throws {
        guard [offset != nil || length != nil, range != nil, tail != nil].count(where: { $0 }) <= 1 else {
            throw ValidationError("--offset and --length, --range, --tail: one of these")
        }
    }

    private var part: FilePart {
        get throws {
            if let range { return try FilePart(range: range) }
            if let tail { return .last(tail) }
            return .from(offset: offset ?? 0, length: length)
        }
    }

    func run() async throws {
        let output = Output()
        let part = try part
        try await Places(paths).run(connection, output, begin: {}) { remote, name, _, _ in
            try await FileReader(remote).read(name.path, part) { try output.bytes($0) }
        }
    }
}
