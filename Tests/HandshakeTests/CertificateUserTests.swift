import Certificates
import Glibc
import Handshake
import Kernel
import Logging
import RPC
import SecureChannel
import Synchronization
import SystemPackage
import TLS
import TestSupport
import Testing

/// A client's certificate names a user, and tlssd says who that is on this machine.
@Suite struct CertificateUserTests {
    private let credentials: Credentials
    private let alice = MappedUser(uid: 4711, gid: 815, groups: [815, 27, 100])

    init() throws { credentials = try Credentials() }

    private func map(_ domain: String, _ user: MappedUser? = nil) -> UserMap {
        let user = user ?? alice
        return UserMap(domain: domain) { .success($0 == "alice" ? user : nil) }
    }

    /// What a server engine learns of a client with a certificate for `user`, and what the daemon logged.
    private func secured(
        _ users: UserMap?, _ layer: Channel.Layer = .user, user: String? = "alice@example.org"
    ) throws -> (certificate: PeerCertificate, log: [String]) {
        let recorder = LogRecorder()
        let client = try credentials.authority.issueClient(
            name: "laptop", alternativeNames: ["Laptop.Example"] + (user.map { [$0] } ?? []), replace: true)
        let tlssd = try TestDaemon(
            .server, try credentials.serverHandshaker(), users: users, log: recorder.logger)
        let tlscd = try TestDaemon(.client, try credentials.clientHandshaker(as: client))
        let link = try Link()
        let securer = ServerSecurer(daemon: tlssd.engine(RecordLayerChoice(layer)), mutual: { true }, patience: 20)
        let accepted = try Running {
            let (channel, protection) = try securer.secure(link.server, peerAddress: "192.0.2.1:700")
            #expect(channel.layer == layer)
            return protection
        }
        _ = try tlscd.secure(link.client, RecordLayerChoice(layer))
        guard case .mutual(let certificate) = try accepted.value() else { throw Unexpected("no certificate") }
        return (certificate, recorder.lines)
    }

    @Test(arguments: TestedLayers.all) func aUserOfTheDomain(_ layer: Channel.Layer) throws {
        let (certificate, log) = try secured(map("EXAMPLE.org"), layer)
        #expect(certificate.userName == "alice@example.org" && certificate.user == alice)
        #expect(certificate.subject == "CN=laptop" && certificate.hosts == ["laptop.example"])
        #expect(!log.contains { $0.hasPrefix("warning") })
        #expect(log.contains { $0.contains("session secured") && $0.contains("alice@example.org (uid 4711)") })
    }

    @Test func theNameIsHandedOnWhereNobodyIsMapped() throws {
        let (certificate, log) = try secured(nil)
        #expect(certificate.userName == "alice@example.org" && certificate.user == nil)
        #expect(!log.contains { $0.hasPrefix("warning") })
        #expect(log.contains { $0.contains("alice@example.org (not mapped)") })
    }

    @Test func aCertificateWithoutAUser() throws {
        let (certificate, log) = try secured(map("example.org"), user: nil)
        #expect(certificate.userName == nil && certificate.user == nil)
        #expect(!log.contains { $0.hasPrefix("warning") })
    }

    /// The certificate is good, so the session is; the user is nobody, with one line that says why.
    @Test(arguments: [
        ("alice@example.net", "not of the domain 'example.org'"), ("alice@sub.example.org", "not of the domain"),
        ("bob@example.org", "there is no user 'bob' here"),
    ])
    func somebodyElse(_ user: String, _ reason: String) throws {
        let (certificate, log) = try secured(map("example.org"), user: user)
        #expect(certificate.userName == user && certificate.user == nil)
        let warnings = log.filter { $0.hasPrefix("warning") }
        #expect(warnings.count == 1 && warnings[0].contains(reason) && warnings[0].contains("CN=laptop"), "\(warnings)")
    }

    @Test func rootIsNobody() throws {
        let root = MappedUser(uid: 0, gid: 0, groups: [0])
        let (certificate, log) = try secured(map("example.org", root))
        #expect(certificate.user == nil)
        #expect(log.contains { $0.hasPrefix("warning") && $0.contains("uid 0") })
    }

    /// AUTH_SYS has 16 groups; a process 65536 (NGROUPS_MAX), and all of them arrive.
    @Test func allGroups() throws {
        let most = MappedUser(uid: 7, gid: 1_000_000, groups: (0..<65536).map { 1_000_000 + $0 })
        #expect(try secured(map("example.org", most)).certificate.user == most)
        let more = MappedUser(uid: 7, gid: 1, groups: Array(0...65536))
        let (certificate, log) = try secured(map("example.org", more))
        #expect(certificate.user == nil && log.contains { $0.contains("more groups") })
    }

    @Test func aDatabaseThatFails() throws {
        let users = UserMap(domain: "example.org") { _ in .failure(SystemError("getpwnam_r", .ioError)) }
        let (certificate, log) = try secured(users)
        #expect(certificate.user == nil)
        #expect(log.contains { $0.hasPrefix("warning") && $0.contains("cannot be looked up") })
    }

    /// This machine's own databases, which `id` reads too.
    @Test(arguments: ["nobody", "daemon", "games"]) func thisMachinesUsers(_ name: String) throws {
        let user = try UserMap(domain: "example.org").user(of: name + "@Example.Org")
        func id(_ option: String) throws -> String {
            let pipe = try Pipe(capacity: 4096)
            let child = try ChildProcess("/usr/bin/id", [option, name], output: pipe.writeEnd.raw)
            #expect(child.wait() == 0)
            var bytes = [UInt8](repeating: 0, count: 4096)
            let count = max(0, read(pipe.readEnd.raw, &bytes, bytes.count))
            return String(decoding: bytes.prefix(count), as: UTF8.self).filter { $0 != "\n" }
        }
        #expect(try id("-u") == "\(user.uid)" && id("-g") == "\(user.gid)")
        #expect(try id("-G") == user.groups.map { "\($0)" }.joined(separator: " "))
    }

    @Test(arguments: [
        ("root@example.org", "uid 0"), ("no-such-user-here@example.org", "no user"), ("0@example.org", "no user"),
        ("nobody", "user@domain"), ("@example.org", "user@domain"), ("nobody@x@example.org", "user@domain"),
    ])
    func refusals(_ name: String, _ reason: String) throws {
        let refusal = #expect(throws: UserMap.Refusal.self) { try UserMap(domain: "example.org").user(of: name) }
        #expect(refusal.map { "\($0)".contains(reason) } == true)
    }

    /// Exports may be loaded anew between two handshakes, and with them whether a certificate is asked for.
    @Test func mutualIsAskedForAtEachHandshake() throws {
        let tlssd = try TestDaemon(.server, try credentials.serverHandshaker())
        let tlscd = try TestDaemon(.client, try credentials.clientHandshaker(as: nil))
        let isMutual = Condition(false)
        let securer = ServerSecurer(
            daemon: tlssd.engine(.user), mutual: { isMutual.withLock(wake: false) { $0 } }, patience: 20)
        func attempt() throws -> Peer.Protection {
            let link = try Link()
            let accepted = try Running { try securer.secure(link.server, peerAddress: "x").1 }
            _ = try? tlscd.secure(link.client, .user, mutual: false)
            return try accepted.value()
        }
        #expect(try attempt() == .tls)
        isMutual.withLock(wake: false) { $0 = true }
        let failure = #expect(throws: HandshakeFailure.self) { _ = try attempt() }
        #expect(failure?.reason.contains("showed no certificate") == true)
    }
}

/// Keeps what is logged, one line each: `level: message key=value ...`.
final class LogRecorder: Sendable {
    private let kept = Mutex<[String]>([])
    var lines: [String] { kept.withLock { $0 } }
    var logger: Logger { Logger(label: "test") { _ in Handler(recorder: self) } }

    private struct Handler: LogHandler {
        let recorder: LogRecorder
        var logLevel = Logger.Level.trace
        var metadata = Logger.Metadata()

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let words = (event.metadata ?? [:]).map { "\($0)=\($1)" }.sorted().joined(separator: " ")
            recorder.kept.withLock { $0.append("\(event.level): \(event.message) \(words)") }
        }
    }
}
