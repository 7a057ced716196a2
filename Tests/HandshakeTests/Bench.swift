import Certificates
import Glibc
import Handshake
import Kernel
import Logging
import SecureChannel
import TLS
import TestSupport

/// Quiet: what is logged is not what is tested.
let silent = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

/// Does handshakes without TLS: succeeds with known secrets, or fails, or waits, by the name that is asked for.
struct FakeHandshaker: Handshaker {
    let suite: CipherSuite
    /// What a certificate is told that is checked again; nil: it is good.
    let objection = Condition<String?>(nil)
    /// Opened for those that wait.
    let gate = Condition(false)
    /// Whether one waits.
    let waiting = Condition(false)

    init(_ suite: CipherSuite = .aes128GCM) { self.suite = suite }

    func objection(to chain: [[UInt8]]) -> String? { objection.withLock(wake: false) { $0 } }

    func handshake(on socket: Int32, _ request: HandshakeRequest) throws(HandshakeFailure) -> HandshakeOutcome {
        switch request.peerName {
        case "untrusted": throw HandshakeFailure(.peerRefused, "the certificate 'CN=x' is not trusted")
        case "silent", "silent nobody":
            waiting.withLock(wake: true) { $0 = true }
            guard gate.wait(until: request.deadline, { $0 ? true : nil }) != nil else {
                throw HandshakeFailure(.timedOut, "no answer")
            }
        default: break
        }
        if request.peerName.hasSuffix("nobody") {
            return HandshakeOutcome(secrets: TestSecrets.make(suite), peer: nil, applicationProtocol: nil)
        }
        let peer = PeerIdentity(
            subject: "CN=\(request.peerName)", issuer: "CN=test", serial: "0A", alternativeNames: ["DNS:a", "IP:::1"],
            fingerprint: String(repeating: "ab", count: 32))
        return HandshakeOutcome(
            secrets: TestSecrets.make(suite), peer: peer, applicationProtocol: "sunrpc", chain: [[1]])
    }
}

/// A handshake daemon of this process.
final class TestDaemon: Sendable {
    let path: String
    let role: Channel.Role
    let server: HandshakeServer
    private let running: Running<Void>

    /// - Parameter path: where it listens; an abstract name of its own where nil.
    init(
        _ role: Channel.Role, _ handshaker: any Handshaker, callers: [String] = [], longest: Double = 20,
        path: String? = nil, users: UserMap? = nil, log: Logger = silent
    ) throws {
        TestProcess.prepare()
        self.role = role
        let path = path ?? "@tlsd-test-\(getpid())-\(UInt64.random(in: 0 ... .max))"
        self.path = path
        let listener = SharedDescriptor(try LocalListener.open(path))
        let server = try HandshakeServer(
            role: role, handshaker: handshaker, callers: try CallerPolicy(allowing: callers), users: users,
            longest: longest, log: log)
        self.server = server
        running = try Running { try server.run(listener.raw) }
    }

    deinit { server.stop() }

    func stop() throws {
        server.stop()
        try running.value(within: 10)
    }

    func engine(_ layer: RecordLayerChoice) -> HandshakeDaemon {
        HandshakeDaemon(path: path, role: role, recordLayer: layer)
    }

    func secure(
        _ socket: SharedDescriptor, _ layer: RecordLayerChoice, name: String = "files.example", mutual: Bool = true,
        seconds: Double = 10
    ) throws(HandshakeFailure) -> SecuredConnection {
        try engine(layer).secure(
            socket, HandshakeRequest(peerName: name, mutual: mutual, deadline: .after(seconds: seconds)))
    }

    /// The failure of an upcall that must fail.
    func failure(
        _ socket: SharedDescriptor, _ layer: RecordLayerChoice = .user, name: String = "files.example",
        mutual: Bool = true,
        seconds: Double = 10
    ) throws -> HandshakeFailure {
        do throws(HandshakeFailure) {
            _ = try secure(socket, layer, name: name, mutual: mutual, seconds: seconds)
        } catch {
            return error
        }
        throw Unexpected("a handshake that succeeded")
    }
}

struct Unexpected: Error {
    let what: String
    init(_ what: String) { self.what = what }
}

extension RecordLayerChoice {
    init(_ layer: Channel.Layer) { self = layer == .kernel ? .kernel : .user }
}

/// An authority, a server's and a client's certificate.
final class Credentials: Sendable {
    let directory = TemporaryDirectory()
    let authority: CertificateAuthority
    let server: CertificateAuthority.Issued
    let client: CertificateAuthority.Issued

    init() throws {
        authority = try CertificateAuthority.create(at: directory.path + "/ca")
        server = try authority.issueServer(names: ["files.example", "127.0.0.1"])
        client = try authority.issueClient(name: "backup")
    }

    func serverHandshaker(_ suites: [CipherSuite] = CipherSuite.allCases) throws -> TLSHandshaker {
        try TLSHandshaker(.server, configuration(server, suites))
    }

    func clientHandshaker(_ suites: [CipherSuite] = CipherSuite.allCases) throws -> TLSHandshaker {
        try TLSHandshaker(.client, configuration(client, suites))
    }

    /// A client with another certificate, or with none.
    func clientHandshaker(as issued: CertificateAuthority.Issued?) throws -> TLSHandshaker {
        guard let issued else {
            return try TLSHandshaker(.client, TLSConfiguration(trustAnchorsFile: authority.certificateFile))
        }
        return try TLSHandshaker(.client, configuration(issued, CipherSuite.allCases))
    }

    private func configuration(_ issued: CertificateAuthority.Issued, _ suites: [CipherSuite]) -> TLSConfiguration {
        TLSConfiguration(
            certificateFile: issued.certificateFile, keyFile: issued.keyFile,
            trustAnchorsFile: authority.certificateFile, cipherSuites: suites)
    }
}

/// Data goes both ways between two channels.
func exchange(_ client: Channel, _ server: Channel, _ size: Int = 50_000) throws -> Bool {
    let bytes = pattern(size)
    for (from, to) in [(client, server), (server, client)] {
        let receiver = try Running { try Receiving.bytes(size, from: to) }
        try from.send(OutboundMessage(head: bytes), until: .after(seconds: 20))
        if try receiver.value() != bytes { return false }
    }
    return true
}
