import ArgumentParser
import Transfer

struct Put: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Push files to a server.",
        discussion: """
            A destination that is a directory gets the files or, with -r, the directories in it; otherwise it is the copy's \
            name. A file has its name on the server only when all of it is there and safe. With -p or -a, files that are \
            there with the same size and time are not copied again.

              xfer put report.pdf server:/data
              xfer put *.pdf server:/data/2026
              xfer put -a results server:/data/2026

            \(Events.help)
            """)

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var copy: CopyArguments

    @Argument(
        help: ArgumentHelp("What to push, and where to: host:/export/path.", valueName: "source ... destination"))
    var places: [String]

    func run() async throws {
        let (sources, destination) = try CopyPlaces.pushed(places)
        try await copy.run(destination, connection, label: CopyPlaces.label(sources), .named) {
            try await $0.put(sources, to: destination.path, .named)
        }
    }
}
