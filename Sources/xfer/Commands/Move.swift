import ArgumentParser
import Transfer

struct Move: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mv", abstract: "Give what is on a server another name there.",
        usage: "xfer mv [<options>] <source> <destination>",
        discussion: """
            A destination that is a directory gets the source in it; otherwise it is the new name, and a file that has it is \
            replaced in one step. Both are in the same export: nothing is copied.

              xfer mv server:/data/draft.pdf server:/data/report.pdf
              xfer mv -n work:report.pdf work:archive/
            """)

    @OptionGroup(title: "Connection") var connection: ConnectionOptions

    @Flag(name: [.customShort("n"), .long], help: "Never replace a file.")
    var noClobber = false

    @Flag(name: .shortAndLong, help: "Replace a file, as without it: for those who are used to it.")
    var force = false

    @Argument(help: "What to move: host:/export/path.", completion: PlaceCompletion.remote)
    var source: String

    @Argument(help: "Where to: host:/export/path.", completion: PlaceCompletion.remote)
    var destination: String

    func validate() throws {
        if noClobber && force { throw ValidationError("-n and -f are opposites") }
    }

    func run() async throws {
        func remote(_ text: String) throws -> RemoteName {
            guard let name = try Place.remote(text) else {
                throw UsageError("'\(text)' is a local path: xfer get and xfer put copy from and to a server")
            }
            return name
        }
        let (from, to) = (try remote(source), try remote(destination))
        let advice = "fetch it with xfer get, push it with xfer put, then take the first away with xfer rm"
        guard from.host == to.host, try connection.options(for: from).port == connection.options(for: to).port else {
            throw UsageError("\(from) and \(to) are on different servers: \(advice)")
        }
        let (replacing, isDirectory) = (!noClobber, destination.hasSuffix("/") || destination.hasSuffix("/."))
        let verbose = connection.verbose
        try await connection.withRemote(from) { remote in
            guard remote.contains(to.path) else {
                throw TransferError(.server, "\(from) and \(to) are in different exports: \(advice)")
            }
            let path = try await remote.move(
                from.path, to: to.path, intoDirectory: isDirectory, replacing: replacing)
            if verbose { Messages.write("\(from) is now \(path)") }
        }
    }
}
