import ArgumentParser
import Handshake
import Kernel
import SecureChannel
import Transfer

/// How to reach a server and with what, the same for every command that does.
struct ConnectionOptions: ParsableArguments {
    @Option(
        name: .short,
        help: ArgumentHelp(
            "Options as mount has them: port=, xprtsec=mtls|tls|none, mountport=, cleartext_mount, rsize=, wsize=, nconnect=, timeo=, retrans=, soft|hard, noresvport, ro, tlscertname=, cafile=, cert=, key=, tlscd=.",
            valueName: "options"))
    var o: [String] = []

    @Option(name: .long, help: "Who makes the TLS records: auto, kernel or user.")
    var recordLayer: String = "auto"

    @Flag(name: .shortAndLong, help: "Say how the connection is protected.")
    var verbose = false

    @Flag(name: .shortAndLong, help: "Say nothing but errors.")
    var quiet = false

    func validate() throws {
        guard RecordLayerChoice(rawValue: recordLayer) != nil else {
            throw ValidationError("--record-layer: '\(recordLayer)' is none of auto, kernel, user")
        }
    }

    /// Connects to the server of a name, mounts the export that holds it and runs `body`.
    ///
    /// Handshakes are done by the tlscd that `tlscd=` names, or by one of its own.
    func withRemote<R: Sendable>(
        _ name: RemoteName, bandwidth: TokenBucket? = nil, _ body: @escaping @Sendable (Remote) async throws -> R
    ) async throws -> R {
        var options = MountOptions()
        for item in name.options { try options.apply(item) }
        for item in o { try options.apply(item) }
        let layer = RecordLayerChoice(rawValue: recordLayer) ?? .auto
        let (quiet, verbose) = (quiet, verbose)
        let executor = try EngineExecutor(threads: 4)
        let (path, own) = try daemon(options)
        defer { own?.stop() }
        if options.protection == .cleartext, !quiet {
            Messages.write(
                "xfer: warning: xprtsec=none: everybody on the way to \(name.host) can read and change what is copied")
        }
        let session = Session(
            host: name.host, options: options,
            daemon: path.map { HandshakeDaemon(path: $0, role: .client, recordLayer: layer) }, bandwidth: bandwidth
        ) { note in
            if !quiet { Messages.write("xfer: \(note)") }
        }
        defer { session.close() }
        return try await Interrupts.run {
            try await withTaskExecutorPreference(executor) {
                let remote = try await Remote.mount(session, path: name.path)
                if verbose, let protection = session.protection { Messages.write("protection: \(protection)") }
                return try await body(remote)
            }
        }
    }

    /// The path of a tlscd, and the private one where it is that; neither for `xprtsec=none`.
    private func daemon(_ options: MountOptions) throws -> (path: String?, own: PrivateDaemon?) {
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
