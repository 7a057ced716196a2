import ArgumentParser
import Transfer

struct Unmount: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "umount", abstract: "Take a short name away that xfer mount gave.",
        usage: "xfer umount [<options>] <name>",
        discussion: """
            The server is told (UMNT) where it can be reached within ten seconds; the name goes either way.

              xfer umount work
              xfer umount -f work     # without a word to the server
            """)

    @OptionGroup(title: "Connection") var connection: ConnectionOptions

    @Flag(name: .shortAndLong, help: "Do not tell the server.")
    var force = false

    @Argument(help: "The name.", completion: PlaceCompletion.mounted)
    var name: String

    func run() async throws {
        // `work:` is the same name, as other commands have it.
        let name = name.hasSuffix(":") ? String(name.dropLast()) : name
        StateDirectory.make(StateDirectory.client)
        let mounted = try Place.file.change { table in
            guard let mounted = table.remove(name) else {
                throw UsageError("'\(name)' is no mounted name (\(table.known))")
            }
            return mounted
        }
        guard !force else { return }
        do {
            var connection = connection
            connection.o = ["timeo=100"] + connection.o
            let place = try mounted.place(at: "")
            try await connection.withSession(place) { try await Remote.unmount($0, path: place.path) }
        } catch let status as ExitStatus {
            throw status
        } catch {
            if !connection.quiet {
                Messages.write("xfer: \(name) is gone; \(mounted.place.host) was not told: \(error)")
            }
        }
    }
}
