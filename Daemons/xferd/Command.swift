import ArgumentParser
import Daemon
import FileServer
import Glibc
import Handshake
import Kernel
import Logging
import RPC
import SecureChannel

@main
struct Command: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "xferd",
        abstract: "Serves directories over NFS version 3 in TLS 1.3 (RFC 1813, RFC 9289).",
        usage: "xferd [<options>]",
        discussion: """
            Handshakes are done by tlssd; this process never sees a private key. As root it acts for each client as the user \
            that xferd-exports(5) makes of it; otherwise as the user it runs as. SIGHUP reads the exports file anew and \
            touches no transfer.

              xferd --check-exports /etc/tlsd/exports
              xferd --export /data=/srv/data,ro --tlssd /run/tlsd/tlssd.sock

            Exit status: 0 ended by SIGTERM or SIGINT, or the file is right; 1 it could not serve, or the file is wrong; 64 \
            the command line makes no sense.
            """)

    @Option(
        name: .long,
        help: ArgumentHelp(
            "A directory to serve to everybody: /name=DIR,ro or /name=DIR,rw, and other options of xferd-exports(5). May be repeated.",
            valueName: "export"))
    var export: [String] = []

    @Option(
        name: .long,
        help: ArgumentHelp(
            "What to serve to whom, as xferd-exports(5) has it; read again on SIGHUP. Without it and --export: \(ExportTable.defaultFile).",
            valueName: "file"),
        completion: .file())
    var exports: String?

    @Option(
        name: .long,
        help: ArgumentHelp("Say what an exports file means, or all that is wrong in it.", valueName: "file"),
        completion: .file())
    var checkExports: String?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Where to listen: host:port, or :port for every address. May be repeated.", valueName: "address"))
    var listen: [String] = [":2049"]

    @Option(name: .long, help: ArgumentHelp("The AF_LOCAL socket of tlssd.", valueName: "path"), completion: .file())
    var tlssd = "/run/tlsd/tlssd.sock"

    @Option(
        name: .long, help: ArgumentHelp("Who makes the TLS records: auto, kernel or user.", valueName: "layer"),
        completion: .list(["auto", "kernel", "user"]))
    var recordLayer: String = "auto"

    @Option(name: .long, help: "What a client of --export must show: mtls (a certificate) or tls (nothing).")
    var xprtsec: String = "mtls"

    @Flag(name: .long, help: "Answer MOUNT of --export in cleartext too: Linux's mount(8) asks it so.")
    var cleartextMount = false

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Directory where file handles' key and the last replies are kept, so that both outlive a restart.",
            valueName: "dir"), completion: .directory)
    var state: String?

    @Flag(name: .long, help: "Tell rpcbind(8) the ports, for clients that ask it.")
    var rpcbind = false

    @Flag(name: .long, help: "Answer NFS and MOUNT alone, without the extra program that xfer uses where it is there.")
    var noXfer = false

    @Option(name: .long, help: ArgumentHelp("Connections at once.", valueName: "number"))
    var maximumConnections = 4096

    @Option(
        name: .long,
        help: ArgumentHelp(
            "TLS records under one key, \(KeyLimits.settable.lowerBound) to \(KeyLimits.settable.upperBound): then it is changed, or the connection ended in good order.",
            valueName: "number"))
    var keyRecords = Int(KeyLimits.server.records)

    @Flag(name: .long, help: .hidden)
    var exitWithStandardInput = false

    @Flag(name: .long, help: .hidden)
    var announce = false

    @OptionGroup var log: LogOptions

    func validate() throws {
        guard RecordLayerChoice(rawValue: recordLayer) != nil else {
            throw ValidationError("--record-layer: '\(recordLayer)' is none of auto, kernel, user")
        }
        guard ["mtls", "tls"].contains(xprtsec) else {
            throw ValidationError("--xprtsec: '\(xprtsec)' is none of mtls, tls")
        }
        guard (1...1_000_000).contains(maximumConnections) else {
            throw ValidationError("--maximum-connections: 1 to 1000000")
        }
        let records = KeyLimits.settable
        guard records.contains(keyRecords) else {
            throw ValidationError("--key-records: \(records.lowerBound) to \(records.upperBound)")
        }
    }

    func run() throws {
        do {
            if let checkExports { return try check(checkExports) }
            try serve()
        } catch let error as ExportsFileError {
            Self.say("\(error)")
            if error.isMissing && exports == nil && checkExports == nil {
                Self.say("it is what is served without --export and --exports")
            }
            throw ExitCode.failure
        }
    }

    private func check(_ file: String) throws {
        let exports = try ExportsFile.load(file)
        for line in ExportsFile.lines(exports) { Swift.print(line) }
        if exports.isEmpty { Self.say("\(file): nothing is exported") }
    }

    private static func say(_ text: String) {
        let text = Array("\(text)\n".utf8)
        _ = text.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }

    /// What will keep clients away, to be said before the first one comes.
    private func warn(_ daemon: HandshakeDaemon, _ logger: Logger) {
        if daemon.recordLayer == .kernel, let obstacle = KernelTLS.obstacle(to: .aes128GCM) {
            logger.warning("no connection can have the record layer asked for", metadata: ["reason": "\(obstacle)"])
        }
        if daemon.isRunning() { return }
        // It may have been started in the same moment.
        Condition(()).wait(until: .after(seconds: 1)) { _ in nil as Void? }
        if !daemon.isRunning() {
            logger.warning(
                "tlssd does not answer, and no client can connect until it does", metadata: ["socket": "\(tlssd)"])
        }
    }

    private func serve() throws {
        let logger = log.logger("xferd")
        ProcessSetup.raiseDescriptorLimit()
        // In the user record layer it has the traffic secrets of its connections.
        ProcessSetup.hideMemory()
        ProcessSetup.actForOthers()
        if ThreadCredentials.process.uid == 0 && !ThreadCredentials.canChange { throw EverybodyWouldBeRoot() }
        let events = try StopSignals(parent: exitWithStandardInput ? STDIN_FILENO : nil)
        var defaults = ExportOptions()
        defaults.protection = xprtsec == "mtls" ? .mtls : .tls
        defaults.cleartextMount = cleartextMount
        let table = try ExportTable(export, defaults: defaults, file: exports)
        if let state, (try? Files.open(state, O_RDONLY | O_DIRECTORY)) == nil {
            throw ValidationError("--state: \(state) is no directory that can be read; make it first")
        }
        let files = try FileServer(
            exports: try table.load(), stateDirectory: state, offersXfer: !noXfer, log: logger)
        var settings = FileService.Settings()
        settings.listen = listen
        settings.policy.maximumConnections = maximumConnections
        var daemon = HandshakeDaemon(
            path: tlssd, role: .server, recordLayer: RecordLayerChoice(rawValue: recordLayer) ?? .auto)
        daemon.keyLimits = KeyLimits(records: UInt64(keyRecords))
        let service = try FileService(files, daemon: daemon, settings: settings, log: logger)
        if !ThreadCredentials.canChange {
            logger.notice(
                "not root: every client's calls act as this process's own user",
                metadata: ["uid": "\(ThreadCredentials.process.uid)"])
        }
        var registration: Registration?
        if rpcbind {
            do throws(RegistrationError) {
                registration = try Registration(files.programs, at: service.socketAddresses)
            } catch {
                service.stop()
                throw error
            }
        }
        if announce {
            // For who started it: the port, where 0 was asked for.
            Swift.print(service.ports.first ?? 0)
            fflush(nil)
        }
        warn(daemon, logger)
        while try events.next() == .reload { table.reload(files, logger) }
        registration?.withdraw()
        service.stop()
        logger.notice("stopped")
    }
}

/// Root that cannot become its callers would do everything for them as root, root_squash or not.
private struct EverybodyWouldBeRoot: Error, CustomStringConvertible {
    var description: String {
        "running as root takes CAP_SETUID and CAP_SETGID, and securebits without no-setuid-fixup: else every client would "
            + "have root's rights; give it these, or another user"
    }
}
