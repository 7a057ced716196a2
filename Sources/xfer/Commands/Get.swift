import ArgumentParser
import Transfer

struct Get: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "get", abstract: "Fetch files from a server.",
        usage: "xfer get [<options>] <source> ... [<destination>]",
        discussion: """
            A destination that is a directory gets the files or, with -r, the directories in it; otherwise it is the copy's \
            name. With -p or -a, files that are there with the same size and time are not copied again.

              xfer get server:/data/report.pdf .
              xfer get server:/data/a.txt server:/data/b.txt letters
              xfer get -a -o cafile=ca.pem,cert=me.pem,key=me.key server:/data/2026 archive
              xfer get server:/data/report.txt - | less       # as cat
              xfer get -r --exclude '*.tmp' server:/data/2026 archive

            \(Events.help)
            """)

    @OptionGroup(title: "Connection") var connection: ConnectionOptions
    @OptionGroup var copy: CopyArguments

    @Argument(
        help: ArgumentHelp(
            "What to fetch, host:/export/path, and where to: a directory or a name; the working directory if left out.",
            valueName: "source ... destination"), completion: PlaceCompletion.any)
    var places: [String]

    func run() async throws {
        let (sources, destination) = try CopyPlaces.fetched(places)
        if destination == "-" {
            // What a copy keeps or leaves has no meaning there: as cat.
            let output = Output()
            return try await Places(Array(places.dropLast())).run(connection, output, begin: {}) { remote, name, _, _ in
                try await FileReader(remote).read(name.path, .from(offset: 0, length: nil)) { try output.bytes($0) }
            }
        }
        try await copy.run(sources.name, connection, label: sources.label, .named) {
            try await $0.get(sources.sources, to: destination, .named)
        }
    }
}
