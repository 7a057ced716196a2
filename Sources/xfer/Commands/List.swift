import ArgumentParser
import NFS
import Transfer

struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ls", abstract: "List what is on servers.",
        discussion: """
            A symbolic link is listed itself, never what it points to. *, ? and [ are characters of names: nothing is \
            matched on the server. Names that begin with a dot are left out unless -a asks for them, and with them \
            unfinished copies (.NAME.TAG.xfer). Names go into a pipe as they are, to a terminal without control \
            characters.

              xfer ls -l server:/data
              xfer ls -lhS server:/data server:/drop     # the largest first
              xfer ls -ltr server:/data                  # the last modified last
              xfer ls -R --json server:/data | jq -r 'select(.size > 1e9) | .path'
              xfer ls -U server:/data/million | head     # as they come

            Exit status: 0 all listed, 1 nothing could be listed, 2 usage, 3 some of it could not be listed, 141 the \
            reader of the list went away.
            """,
        helpNames: .long)

    @OptionGroup(title: "Connection") var connection: ConnectionOptions

    @Flag(name: .short, help: "Mode, links, owner, group, size and modification time too.")
    var long = false

    @Flag(name: [.customShort("R"), .customLong("recursive")], help: "Directories with all that is in them.")
    var recursive = false

    @Flag(name: .shortAndLong, help: "Names that begin with a dot too, and unfinished copies.")
    var all = false

    @Flag(name: .shortAndLong, help: "Directories themselves, not what is in them.")
    var directory = false

    @Flag(name: .customShort("t"), help: "The last modified first.")
    var byTime = false

    @Flag(name: .customShort("S"), help: "The largest first.")
    var bySize = false

    @Flag(name: .shortAndLong, help: "The other way round.")
    var reverse = false

    @Flag(name: .customShort("U"), help: "Not sorted: each entry as it comes, however many there are.")
    var unsorted = false

    @Flag(name: [.customShort("h"), .customLong("human-readable")], help: "Sizes like 1.5K, 12M.")
    var human = false

    @Flag(name: .long, help: "One JSON object a line, with all attributes.")
    var json = false

    @Argument(
        help: ArgumentHelp("Directories or files: host:/export/path.", valueName: "path"),
        completion: PlaceCompletion.remote)
    var paths: [String]

    func validate() throws {
        guard !paths.isEmpty else { throw ValidationError("a path is wanted") }
        guard [byTime, bySize, unsorted].count(where: { $0 }) <= 1 else {
            throw ValidationError("-t, -S and -U: one of them at most")
        }
        guard !(unsorted && reverse) else { throw ValidationError("-r: -U has no order to turn round") }
    }

    func run() async throws {
        let output = Output()
        let printer = ListPrinter(output, long: long, human: human, json: json, several: paths.count > 1 || recursive)
        var options = Listing.Options()
        options.order = byTime ? .time : bySize ? .size : unsorted ? .none : .name
        options.reversed = reverse
        options.hidden = all
        options.links = long || json
        let (wish, recursive, directory, several) = (options, recursive, directory, paths.count > 1)
        try await Places(paths).run(connection, output, begin: {}) { remote, name, _, failures in
            let top = try await Listing.find(remote, path: name.path, wish)
            guard top.attributes.type == .directory, !directory else {
                return try printer.single(several ? FileName(name.description) : top.name, top, place: name.description)
            }
            // The directories still to be listed, the next one last.
            var left = [(path: FileName(name.description), object: top.object)]
            var isTop = true
            while let (path, object) = left.popLast() {
                do {
                    var inner: [(path: FileName, object: Remote.Object)] = []
                    try printer.begin(path)
                    try await Listing.each(remote, object, wish, unreachable: failures.add) { entry in
                        let place = path.appending(entry.name)
                        if recursive && entry.attributes.type == .directory { inner.append((place, entry.object)) }
                        try printer.entry(entry, place: place)
                    }
                    try printer.end()
                    left += inner.reversed()
                } catch let error where !isTop && Failures.isOfOnePlace(error) && !Task.isCancelled {
                    try printer.end()
                    failures.add(error)
                }
                isTop = false
            }
        }
    }

    /// A name from a server, without what would do things to a terminal.
    static func printable(_ name: FileName) -> String {
        String(
            name.description.unicodeScalars.map { scalar in
                scalar.properties.generalCategory == .control ? "?" : Character(scalar)
            })
    }
}

extension FileName {
    /// The path of a name in the directory that this is the path of.
    func appending(_ name: FileName) -> FileName {
        FileName(Array(bytes) + (bytes.last == UInt8(ascii: "/") ? [] : [UInt8(ascii: "/")]) + name.bytes)
    }
}
