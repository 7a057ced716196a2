import ArgumentParser
import Handshake
import Kernel
import SecureChannel
import Synchronization
import Transfer

/// How to reach a server and with what, the same for every command that does.
struct ConnectionOptions: ParsableArguments {
    @Option(
        name: .short,
        help: ArgumentHelp(
            "As mount has them, with commas: port=, cafile=, cert=, key=, xprtsec=mtls|tls|none, nconnect=, soft, ro and more; all are in xfer(1).",
            valueName: "options"))
    var o: [String] = []

    @Option(
        name: .long,
        help: ArgumentHelp(
            "How long a server that is lost in the middle may be away; 0: for ever. With -o soft it is given up sooner.",
            valueName: "seconds"))
    var timeout: Double = 600

    @Option(
        name: .long, help: ArgumentHelp("Who makes the TLS records: auto, kernel or user.", valueName: "layer"),
        completion: .list(["auto", "kernel", "user"]))
    var recordLayer: String = "auto"

    @Flag(name: .shortAndLong, help: "Say how the connection is protected.")
    var verbose = false

    @Flag(name: .shortAndLong, help: "Say nothing but errors.")
    var quiet = false

    func validate() throws {
        guard (0...1e9).contains(timeout) else {
            throw ValidationError("--timeout: seconds, from 0 (for ever) to 1000000000")
        }
        guard RecordLayerChoice(rawValue: recordLayer) != nil else {
            throw ValidationError("--record-layer: '\(recordLayer)' is none of auto, kernel, user")
        }
    }

    /// Connects to the server of a name, mounts the export that holds it and runs `body`.
    ///
    /// Handshakes are done by the tlscd that `tlscd=` names, or by one of its own.
    ///
    /// - Parameter ahead: what `body` will ask first.
    func withRemote<R: Sendable>(
        _ name: RemoteName, bandwidth: TokenBucket? = nil, ahead: Remote.Ahead = [],
        _ body: @escaping @Sendable (Remote) async throws -> R
    ) async throws -> R {
        let verbose = verbose
        return try await withSession(name, bandwidth: bandwidth) { session in
            let remote = try await Remote.mount(session, path: name.path, ahead: ahead)
            if verbose, let protection = session.protection { Messages.write("protection: \(protection)") }
            return try await body(remote)
        }
    }

    /// Runs `body` for names that may be on several servers and in several exports: once for each export, with the
    /// positions of the names in it, or with what kept it from being mounted.
    func withRemotes(
        _ names: [RemoteName], _ body: @escaping @Sendable (Result<Remote, any Error>, [Int]) async -> Void
    ) async throws {
        let executor = try EngineExecutor(threads: 4)
        let verbose = verbose
        var groups: [[Int]] = []
        for (index, name) in names.enumerated() {
            let fitting = groups.firstIndex { group in
                group.first.map { names[$0].host == name.host && names[$0].options == name.options } ?? false
            }
            if let fitting { groups[fitting].append(index) } else { groups.append([index]) }
        }
        let all = groups
        let current = Mutex<Session?>(nil)
        try await Interrupts.run(onSignal: { current.withLock { $0 }?.interrupt() }) { [self] in
            try await withTaskExecutorPreference(executor) {
                for group in all {
                    guard let first = group.first else { continue }
                    var left = group
                    do {
                        let open = try begin(names[first])
                        defer { open.end() }
                        current.withLock { $0 = open.session }
                        while let next = left.first {
                            try Task.checkCancellation()
                            var here = [next]
                            do {
                                let remote = try await Remote.mount(open.session, path: names[next].path)
                                if verbose, let protection = open.session.protection {
                                    Messages.write("protection: \(protection)")
                                }
                                here = left.filter { remote.contains(names[$0].path) }
                                await body(.success(remote), here)
                            } catch {
                                try Task.checkCancellation()
                                await body(.failure(error), here)
                            }
                            left.removeAll { here.contains($0) }
                        }
                    } catch  where !(error is CancellationError) {
                        await body(.failure(error), left)
                    }
                }
            }
        }
    }

    /// Runs `body` with a server's session, which connects when it is first used.
    func withSession<R: Sendable>(
        _ name: RemoteName, bandwidth: TokenBucket? = nil,
        stepDone: @escaping @Sendable (ConnectionStep) -> Void = { _ in },
        _ body: @escaping @Sendable (Session) async throws -> R
    ) async throws -> R {
        let executor = try EngineExecutor(threads: 4)
        let open = try begin(name, bandwidth: bandwidth, stepDone: stepDone)
        defer { open.end() }
        return try await Interrupts.run(onSignal: { open.session.interrupt() }) {
            try await withTaskExecutorPreference(executor) { try await body(open.session) }
        }
    }

    /// A session and the tlscd that is its own.
    private struct OpenSession: Sendable {
        let session: Session
        let own: PrivateDaemon?

        func end() {
            session.close()
            own?.stop()
        }
    }

    private func begin(
        _ name: RemoteName, bandwidth: TokenBucket? = nil,
        stepDone: @escaping @Sendable (ConnectionStep) -> Void = { _ in }
    ) throws -> OpenSession {
        let options = try options(for: name)
        let (quiet, layer) = (quiet, RecordLayerChoice(rawValue: recordLayer) ?? .auto)
        let (path, own) = try Self.daemon(options)
        if options.protection == .cleartext, !quiet {
            Messages.write(
                "xfer: warning: xprtsec=none: everybody on the way to \(name.host) can read and change what is copied")
        }
        let session = Session(
            host: name.host, options: options,
            daemon: path.map { HandshakeDaemon(path: $0, role: .client, recordLayer: layer) }, bandwidth: bandwidth,
            stepDone: stepDone
        ) { note in
            Messages.note(note, quiet: quiet)
        }
        return OpenSession(session: session, own: own)
    }

    /// What the name brings along, then what `-o` says.
    func options(for name: RemoteName) throws(UsageError) -> MountOptions {
        var options = MountOptions()
        for item in name.options { try options.apply(item) }
        for item in o { try options.apply(item) }
        options.outage = timeout == 0 ? nil : timeout
        return options
    }

    /// The path of a tlscd, and the private one where it is that; neither for `xprtsec=none`.
    static func daemon(_ options: MountOptions) throws -> (path: String?, own: PrivateDaemon?) {
        if options.protection == .cleartext { return (nil, nil) }
        if let path = options.daemon {
            guard options.certificate == nil, options.key == nil, options.anchors == nil else {
                throw UsageError(
                    "cafile=, cert= and key= are for a tlscd of xfer's own; the one at '\(path)' has its files")
            }
            return (path, nil)
        }
        let files = try ClientFiles.find(options)
        let own = try PrivateDaemon(.client, files, more: ["--log-level", "critical"])
        return (own.path, own)
    }
}

/// The client's certificate, key and authorities: from `cert=`, `key=`, `cafile=`, else where `xfer pki` users keep them.
enum ClientFiles {
    static func find(_ options: MountOptions) throws -> PrivateDaemon.Files {
        let home = StateDirectory.client
        func standard(_ name: String) -> String? {
            let path = "\(home)/\(name)"
            return (try? Files.open(path, 0)) != nil ? path : nil
        }
        var files = PrivateDaemon.Files(
            certificate: options.certificate, key: options.key, anchors: options.anchors ?? standard("ca.pem"))
        if options.certificate == nil && options.key == nil {
            // Who says xprtsec=tls wants to show none.
            files.certificate = options.protection == .mtls ? standard("client.pem") : nil
            files.key = files.certificate == nil ? nil : standard("client.key")
        } else if options.certificate == nil || options.key == nil {
            throw UsageError("cert= and key= go together")
        }
        if options.protection == .mtls && files.certificate == nil {
            throw UsageError(
                "xprtsec=mtls needs a certificate: give cert= and key=, or put client.pem and client.key into \(home)")
        }
        return files
    }
}
