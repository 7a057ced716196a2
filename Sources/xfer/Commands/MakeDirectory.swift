import ArgumentParser
import Kernel
import Transfer

struct MakeDirectory: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mkdir", abstract: "Make directories on a server.",
        usage: "xfer mkdir [<options>] <place> ...",
        discussion: """
              xfer mkdir server:/data/2026
              xfer mkdir -p -m 750 work:reports/2026/11

            Exit status: 0 all made, 1 none could be made, 2 the command line makes no sense, 3 some failed.
            """)

    @OptionGroup(title: "Connection") var connection: ConnectionOptions

    @Flag(name: .shortAndLong, help: "The directories above too; one that is there is no failure.")
    var parents = false

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("The directory's mode; 777 less the umask where left out.", valueName: "octal"))
    var mode: String?

    @Argument(help: "What to make: host:/export/path.", completion: PlaceCompletion.remote)
    var places: [String]

    func validate() throws { _ = try octal() }

    private func octal() throws -> UInt32? {
        guard let mode else { return nil }
        guard let number = UInt32(mode, radix: 8), number <= 0o7777, !mode.hasPrefix("+") else {
            throw ValidationError("--mode: '\(mode)' is no octal number from 0 to 7777")
        }
        return number
    }

    func run() async throws {
        let names = try places.map { text in
            guard let name = try Place.remote(text) else {
                throw UsageError("'\(text)' is a local path; what to make is written host:/export/path")
            }
            return name
        }
        let (mode, parents, verbose) = (try octal(), parents, connection.verbose)
        let failures = Condition<[any Error]>([])
        try await connection.withRemotes(names) { mounted, indices in
            for index in indices where !Task.isCancelled {
                do {
                    try await mounted.get().makeDirectory(names[index].path, mode: mode, parents: parents) { path in
                        if verbose { Messages.write("made \(path)") }
                    }
                } catch {
                    failures.withLock { $0.append(error) }
                }
            }
        }
        let failed = failures.withLock { $0 }
        for failure in failed { Messages.error(failure) }
        Messages.hint(failed)
        guard failed.isEmpty else { throw failed.count < names.count ? ExitStatus.some : .nothing }
    }
}
