import ArgumentParser
import Transfer

struct Put: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Push files to a server.",
        discussion: """
            A destination that is a directory gets the file or, with -r, the directory in it; otherwise it is the copy's name. \
            A file has its name on the server only when all of it is there and safe.

              xfer put report.pdf server:/data
              xfer put -rp results server:/data/2026
            """)

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var copy: CopyArguments

    @Argument(help: "What to push.")
    var source: String

    @Argument(help: "Where to: host:/export/path.")
    var destination: String

    func run() async throws {
        guard let name = try Place.remote(destination) else {
            throw UsageError("'\(destination)' is a local path; where to push is written host:/export/path")
        }
        let source = source
        let label = source.split(separator: "/").last.map(String.init) ?? source
        try await copy.run(name, connection, label: label) { try await $0.put(source, to: name.path) }
    }
}
