import ArgumentParser
import Glibc
import Kernel
import Transfer

struct Remove: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rm", abstract: "Take files away from a server.",
        usage: "xfer rm [<options>] <place> ...",
        discussion: """
            What fails is named, and the rest goes on; -v names what is gone. Symbolic links are taken away, not followed. An export's root, and all \
            that a mounted name stands for, is never taken away.

              xfer rm server:/data/old.pdf work:notes.txt
              xfer rm -r server:/data/2024

            Exit status: 0 all gone, 1 nothing could be done, 2 the command line makes no sense, 3 some failed.
            """)

    @OptionGroup(title: "Connection") var connection: ConnectionOptions

    @Flag(name: .shortAndLong, help: "Directories too, with all that is in them.")
    var recursive = false

    @Flag(name: .shortAndLong, help: "What is not there is no failure.")
    var force = false

    @Argument(help: "What to take away: host:/export/path.", completion: PlaceCompletion.remote)
    var places: [String]

    func run() async throws {
        let names = try places.map { text in
            guard let name = try Place.remote(text) else {
                throw UsageError("'\(text)' is a local path; what to take away is written host:/export/path")
            }
            let last = text.split(separator: "/", omittingEmptySubsequences: true).last
            guard last != ".", !Place.isWholeMount(text) else {
                throw UsageError("'\(text)': a directory is taken away by its name")
            }
            return name
        }
        let total = Condition(Removal.Result())
        let (recursive, force, list) = (recursive, force, connection.verbose)
        try await connection.withRemotes(names) { mounted, indices in
            switch mounted {
            case .failure(let error): total.withLock { $0.failures += indices.map { _ in error } }
            case .success(let remote):
                let removal = Removal(remote: remote, recursive: recursive, force: force) { path in
                    if list { print("removed \(Messages.printable(path))") }
                }
                for index in indices where !Task.isCancelled { await removal.run(names[index].path) }
                let result = removal.result
                total.withLock {
                    $0.files += result.files
                    $0.directories += result.directories
                    $0.failures += result.failures
                }
            }
        }
        fflush(nil)
        let result = total.withLock { $0 }
        for failure in result.failures { Messages.error(failure) }
        Messages.hint(result.failures)
        guard result.failures.isEmpty else {
            throw result.files + result.directories > 0 ? ExitStatus.some : .nothing
        }
    }
}
