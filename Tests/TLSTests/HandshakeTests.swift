import Certificates
import Glibc
import Handshake
import Kernel
import SecureChannel
import TLS
import TestSupport
import Testing

@Suite struct HandshakeTests {
    private let credentials: Credentials

    init() throws { credentials = try Credentials() }

    @Test(arguments: CipherSuite.allCases)
    func bothSidesGetTheSameSecrets(_ suite: CipherSuite) throws {
        let server = try credentials.serverHandshaker()
        let client = try credentials.clientHandshaker { $0.cipherSuites = [suite] }
        let (clientResult, serverResult, link) = try handshake(client, server)
        let ours = try clientResult.get()
        let theirs = try serverResult.get()
        #expect(ours.secrets.suite == suite && theirs.secrets.suite == suite)
        #expect(bytes(ours.secrets.client) == bytes(theirs.secrets.client))
        #expect(bytes(ours.secrets.server) == bytes(theirs.secrets.server))
        #expect(bytes(ours.secrets.client) != bytes(ours.secrets.server))
        #expect(ours.secrets.client.count == suite.secretLength)
        #expect(ours.applicationProtocol == "sunrpc" && theirs.applicationProtocol == "sunrpc")
        // Neither side has left a byte for the other after the handshake.
        for socket in [link.client, link.server] {
            var byte: UInt8 = 0
            #expect(recv(socket.raw, &byte, 1, Int32(MSG_PEEK)) == -1 && errno == EAGAIN)
        }
    }

    @Test func identifiesThePeers() throws {
        let (clientResult, serverResult, _) = try handshake(
            credentials.clientHandshaker(), credentials.serverHandshaker())
        let server = try #require(try clientResult.get().peer)
        #expect(server.subject == "CN=files.example")
        #expect(server.issuer == "CN=tlsd certificate authority")
        #expect(server.alternativeNames == ["DNS:files.example", "IP:127.0.0.1", "IP:::1"])
        #expect(server.fingerprint == credentials.server.description.fingerprint)
        let client = try #require(try serverResult.get().peer)
        #expect(client.subject == "CN=backup")
        #expect(client.serial == credentials.client.description.serial)
        #expect(client.alternativeNames == ["otherName:1.3.6.1.4.1.2238.1.1.1;backup@example.org"])
    }

    @Test(arguments: [
        "files.example", "FILES.example", "files.example.", "127.0.0.1", "::1", "0:0:0:0:0:0:0:1", "::1%lo",
    ])
    func acceptsTheServersNames(_ name: String) throws {
        let (client, server, _) = try handshake(
            credentials.clientHandshaker(), credentials.serverHandshaker(), name: name)
        _ = try client.get()
        _ = try server.get()
    }

    @Test func theServersOrderOfSuitesDecides() throws {
        let server = try credentials.serverHandshaker { $0.cipherSuites = [.chacha20Poly1305, .aes256GCM, .aes128GCM] }
        let client = try credentials.clientHandshaker { $0.cipherSuites = [.aes128GCM, .chacha20Poly1305] }
        #expect(try handshake(client, server).client.get().secrets.suite == .chacha20Poly1305)
    }

    @Test func aClientWithoutCertificateIsTakenWhereTLSIsEnough() throws {
        let client = try TLSHandshaker(.client, credentials.configuration(nil))
        let (ours, theirs, _) = try handshake(client, credentials.serverHandshaker(), mutual: false)
        #expect(try ours.get().peer != nil)
        #expect(try theirs.get().peer == nil)
    }

    @Test func verifiesAChainWithAnIntermediate() throws {
        let subordinate = try credentials.authority.createSubordinate(
            at: credentials.directory.path + "/sub", name: "department")
        let issuedServer = try subordinate.issueServer(names: ["files.example"])
        let issuedClient = try subordinate.issueClient(name: "backup")
        let client = try TLSHandshaker(.client, credentials.configuration(issuedClient))
        let server = try TLSHandshaker(.server, credentials.configuration(issuedServer))
        let (ours, theirs, _) = try handshake(client, server)
        #expect(try ours.get().peer?.issuer == "CN=department")
        #expect(try theirs.get().peer?.issuer == "CN=department")
    }

    @Test func manyAtOnce() throws {
        let client = try credentials.clientHandshaker()
        let server = try credentials.serverHandshaker()
        let all = try (0..<32).map { _ in
            try Running { () -> Bool in
                guard let (ours, theirs, _) = try? handshake(client, server), let a = try? ours.get(),
                    let b = try? theirs.get()
                else { return false }
                return bytes(a.secrets.client) == bytes(b.secrets.client)
                    && bytes(a.secrets.server) == bytes(b.secrets.server)
            }
        }
        #expect(try all.map { try $0.value() }.allSatisfy { $0 })
    }

    @Test func aReloadTakesTheNewFilesOrKeepsTheOld() throws {
        let server = try credentials.serverHandshaker()
        let client = try credentials.clientHandshaker()
        let first = try #require(server.certificate)
        let renewed = try credentials.authority.issueServer(names: ["files.example"], replace: true)
        #expect(try handshake(client, server).client.get().peer?.fingerprint == first.fingerprint)
        try server.reload()
        #expect(server.certificate == renewed.description)
        #expect(try handshake(client, server).client.get().peer?.fingerprint == renewed.description.fingerprint)
        try write("not PEM", to: renewed.certificateFile)
        let error = try #require(throws: CertificateError.self) { try server.reload() }
        #expect(error.kind == .malformed)
        #expect(try handshake(client, server).client.get().peer?.fingerprint == renewed.description.fingerprint)
    }

    /// What a handshake took is checked with what is trusted later.
    @Test func aCertificateIsCheckedAgain() throws {
        let subordinate = try credentials.authority.createSubordinate(
            at: credentials.directory.path + "/sub", name: "department")
        let client = try subordinate.issueClient(name: "backup")
        let list = credentials.directory.path + "/crl.pem"
        func revoke(_ issued: [CertificateAuthority.Issued]) throws {
            try write(
                contents(of: try ForeignCertificate.revoke([], by: credentials.authority))
                    + contents(of: try ForeignCertificate.revoke(issued, by: subordinate)), to: list)
        }
        try revoke([])
        let server = try credentials.serverHandshaker { $0.revocationFile = list }
        let chain = try handshake(
            TLSHandshaker(.client, credentials.configuration(client)), server
        ).server.get().chain
        #expect(chain.count == 3 && server.objection(to: chain) == nil)
        try revoke([client])
        #expect(server.objection(to: chain) == nil)
        try server.reload()
        let reason = try #require(server.objection(to: chain))
        #expect(reason.contains("was revoked by its issuer, CN=department") && reason.contains("CN=backup"))
        // Bytes that are no certificate, and a chain that lost its middle.
        #expect(server.objection(to: [[0x30, 0x03]]) != nil)
        try revoke([])
        try server.reload()
        #expect(server.objection(to: chain) == nil && server.objection(to: [chain[0]]) != nil)
        // A server's certificate is not for a client.
        let other = try handshake(credentials.clientHandshaker(), credentials.serverHandshaker()).client.get().chain
        #expect(try credentials.serverHandshaker().objection(to: other)?.contains("not for this use") == true)
    }
}
