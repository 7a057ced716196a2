import ArgumentParser
import Transfer

struct Get: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Fetch files from a server.",
        discussion: """
            A destination that is a directory gets the file or, with -r, the directory in it; otherwise it is the copy's name.

              xfer get server:/data/report.pdf .
              xfer get -rp -o cafile=ca.pem,cert=me.pem,key=me.key server:/data/2026 archive
            """)

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var copy: CopyArguments

    @Argument(help: "What to fetch: host:/export/path.")
    var source: String

    @Argument(help: "Where to: a directory or a name. The working directory where left out.")
    var destination: String = "."

    func run() async throws {
        guard let name = try Place.remote(source) else {
            throw UsageError("'\(source)' is a local path; what to fetch is written host:/export/path")
        }
        let destination = destination
        try await copy.run(name, connection, label: name.lastComponent ?? name.path) {
            try await $0.get(name.path, to: destination)
        }
    }
}
