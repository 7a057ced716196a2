import ArgumentParser
import Glibc
import Transfer

struct Put: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "put", abstract: "Push files to a server.",
        usage: "xfer put [<options>] <source> ... <destination>",
        discussion: """
            A destination that is a directory gets the files or, with -r, the directories in it; otherwise it is the copy's \
            name. A file has its name on the server only when all of it is there and safe. With -p or -a, files that are \
            there with the same size and time are not copied again.

              xfer put report.pdf server:/data
              xfer put *.pdf server:/data/2026
              xfer put -a results server:/data/2026
              tar c results | xfer put - server:/data/results.tar

            A source - is standard input: the file has its name when the input has ended. Where a program in the pipe fails \
            the input ends too (in bash, "set -o pipefail" tells).

            \(Events.help)
            """)

    @OptionGroup(title: "Connection") var connection: ConnectionOptions
    @OptionGroup var copy: CopyArguments

    @Argument(
        help: ArgumentHelp("What to push, and where to: host:/export/path.", valueName: "source ... destination"),
        completion: PlaceCompletion.any)
    var places: [String]

    func run() async throws {
        let (sources, destination) = try CopyPlaces.pushed(places)
        if sources.contains("-") {
            guard sources.count == 1 else {
                throw UsageError("'-': standard input is a source alone (a file of that name is ./-)")
            }
            if copy.rules.recursive || copy.rules.archive {
                throw UsageError("'-': standard input is no directory: without -r and -a")
            }
            return try await copy.run(destination, connection, label: "standard input", .named, isRepeatable: false) {
                try await $0.put(stream: STDIN_FILENO, to: destination.path)
            }
        }
        try await copy.run(destination, connection, label: CopyPlaces.label(sources), .named) {
            try await $0.put(sources, to: destination.path, .named)
        }
    }
}
