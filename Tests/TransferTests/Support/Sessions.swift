import Certificates
import Glibc
import Handshake
import Kernel
import SecureChannel
import TLS
import TestSupport
import Transfer

/// Runs `body` on a session with a server, on the threads that xfer would have.
///
/// - Parameter rpcbind: its port, which is not 111: the machine may have an rpcbind, and the user may not be root.
func withSession<R: Sendable>(
    _ server: ForeignServer, _ words: String = "xprtsec=none", daemon: HandshakeDaemon? = nil,
    rpcbind: UInt16? = nil, bandwidth: TokenBucket? = nil,
    _ body: @escaping @Sendable (Session, Notes) async throws -> R
) async throws -> R {
    var options = MountOptions()
    try options.apply("port=\(server.port),nconnect=1")
    try options.apply(words)
    if let rpcbind { options.rpcbindPort = rpcbind }
    let notes = Notes()
    let session = Session(host: server.host, options: options, daemon: daemon, bandwidth: bandwidth) { notes.add($0) }
    defer { session.close() }
    return try await withTaskExecutorPreference(try EngineExecutor(threads: 2)) { try await body(session, notes) }
}

/// Runs `body` with what `xfer` would have: the server mounted in cleartext unless `options` say otherwise.
func withMount<R: Sendable>(
    _ server: ForeignServer, _ words: String = "xprtsec=none", path: String = "/data", rpcbind: UInt16? = nil,
    bandwidth: TokenBucket? = nil, _ body: @escaping @Sendable (Remote, Notes) async throws -> R
) async throws -> R {
    try await withSession(server, words, rpcbind: rpcbind, bandwidth: bandwidth) { session, notes in
        try await body(try await Remote.mount(session, path: path), notes)
    }
}

/// A tlscd and a tlssd of this process, with an authority and certificates for both.
final class HandshakeDaemons: Sendable {
    private let directory = TemporaryDirectory()
    private let servers: [HandshakeServer]
    let client: HandshakeDaemon
    let server: HandshakeDaemon

    init() throws {
        TestProcess.prepare()
        let authority = try CertificateAuthority.create(at: directory.path + "/ca")
        let (client, clientServer) = try Self.start(.client, authority, try authority.issueClient(name: "me"))
        let (server, serverServer) = try Self.start(
            .server, authority, try authority.issueServer(names: ["files.example"]))
        (self.client, self.server, servers) = (client, server, [clientServer, serverServer])
    }

    deinit { for server in servers { server.stop() } }

    private static func start(
        _ role: Channel.Role, _ authority: CertificateAuthority, _ issued: CertificateAuthority.Issued
    ) throws -> (HandshakeDaemon, HandshakeServer) {
        let path = "@tlsd-transfer-\(getpid())-\(UInt64.random(in: 0 ... .max))"
        let listener = SharedDescriptor(try LocalListener.open(path))
        let handshaker = try TLSHandshaker(
            role,
            TLSConfiguration(
                certificateFile: issued.certificateFile, keyFile: issued.keyFile,
                trustAnchorsFile: authority.certificateFile))
        let server = try HandshakeServer(
            role: role, handshaker: handshaker, callers: try CallerPolicy(allowing: []), longest: 20, log: silent)
        try Kernel.Thread.detached("daemon") { try? server.run(listener.raw) }
        return (HandshakeDaemon(path: path, role: role, recordLayer: .user), server)
    }
}
