import ArgumentParser
import Glibc
import Kernel
import NFS
import Synchronization
import Transfer

@main
struct Xfer: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "xfer",
        abstract: "Copies files to and from servers over NFS version 3 in TLS 1.3.",
        discussion: """
            A place on a server is written host:/export/path, nfs://host:port/export/path, or name:path below what \
            xfer mount gave the name to. What has no colon, or a slash before it, is local.

              xfer ls -l server:/data
              xfer get server:/data/report.pdf .
              xfer put -a results server:/data
              xfer sync photos/ server:/backup/photos

            Exit status: 0 all done, 1 nothing could be done, 2 the command line makes no sense, 3 some of it failed, \
            130 interrupted.
            """,
        version: "0.1.0",
        groupedSubcommands: [
            CommandGroup(name: "Copy", subcommands: [Get.self, Put.self, Sync.self, Verify.self, Jobs.self]),
            CommandGroup(name: "Look", subcommands: [List.self, Stat.self, Cat.self, DiskUsageCommand.self]),
            CommandGroup(name: "Change", subcommands: [Remove.self, MakeDirectory.self, Move.self]),
            CommandGroup(
                name: "Connect", subcommands: [MountCommand.self, Unmount.self, Mounts.self, Ping.self]),
            CommandGroup(name: "Serve", subcommands: [Serve.self, PKI.self]),
        ])

    /// Not asynchronous itself: signals are blocked before the first thread of Swift's pool starts, which inherits that; and
    /// what blocks runs here, on the main thread.
    static func main() {
        Interrupts.block()
        raiseDescriptorLimit()
        do {
            var command = try parseAsRoot()
            guard let command = command as? any AsyncParsableCommand else {
                try command.run()
                Glibc.exit(0)
            }
            // Given to the task and not used here again.
            nonisolated(unsafe) var given = command
            Task.detached {
                do {
                    try await given.run()
                    Glibc.exit(0)
                } catch {
                    Glibc.exit(report(error))
                }
            }
            Condition(()).wait { _ in nil as Void? }
        } catch {
            Glibc.exit(report(error))
        }
    }

    /// As many descriptors as the system allows: each file under way is one, and `--jobs` may be a thousand.
    private static func raiseDescriptorLimit() {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        limit.rlim_cur = min(limit.rlim_max, 1 << 14)
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }

    /// Says what went wrong, or what was asked for.
    ///
    /// - Returns: the exit status.
    private static func report(_ error: any Error) -> Int32 {
        if let status = error as? ExitStatus { return status.rawValue }
        let code = exitCode(for: error)
        if code.isSuccess {
            print(CompletionScript.complete(fullMessage(for: error)))
            return 0
        }
        if code == .validationFailure || code == ExitCode(EX_USAGE) {
            Messages.write(fullMessage(for: error))
            return ExitStatus.usage.rawValue
        }
        Messages.error(error)
        Messages.hint([error])
        return (error is UsageError ? ExitStatus.usage : .nothing).rawValue
    }
}

/// What a command ends with where it is not simply done; messages have been written.
enum ExitStatus: Int32, Error {
    case nothing = 1
    case usage = 2
    case some = 3
    case interrupted = 130
    /// Nobody reads standard output any more: what a shell says of a program that SIGPIPE ended.
    case brokenPipe = 141
}

/// What goes to standard error.
enum Messages {
    /// A line or several, above the display where there is one, and without what would do things to a terminal: they name
    /// files as a server does.
    static func write(_ text: String) {
        Screen.shared.print(printable(text.hasSuffix("\n") ? text : text + "\n"))
    }

    /// Control characters but the ends of lines and tabs as question marks.
    static func printable(_ text: String) -> String { DisplayText.printable(text, keeping: ["\n", "\t"]) }

    /// What happens and is no error; the event `notice` where there are events.
    static func note(_ text: String, quiet: Bool = false) {
        if let events = Events.current.withLock({ $0 }) {
            events.notice(text)
        } else if !quiet {
            write("xfer: \(text)")
        }
    }

    static func error(_ error: any Error) { write("xfer: \(error)") }

    /// What root may wonder about.
    static func hint(_ errors: [any Error]) {
        guard geteuid() == 0, errors.contains(where: isDenied) else { return }
        write(
            "xfer: a server takes root for nobody unless the export says no_root_squash; "
                + "other users have the rights they have there")
    }

    private static func isDenied(_ error: any Error) -> Bool {
        guard let status = (error as? NFSError)?.status else { return false }
        return status == .accessDenied || status == .notPermitted
    }
}
