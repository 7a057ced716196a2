import Certificates
import Handshake
import Kernel
import SecureChannel
import TLS
import TestSupport
import Testing

/// Live sessions' certificates are checked again when what is trusted changes: RFC 9289 section 5.2.1.
@Suite struct RecheckTests {
    /// The connection has ended, and not by close_notify.
    private func expectCut(_ channel: Channel) throws {
        #expect(throws: ChannelError.self) { _ = try Receiving.bytes(1, from: channel) }
    }

    @Test(arguments: TestedLayers.all) func anObjectionEndsTheSessionWithItsReason(_ layer: Channel.Layer) throws {
        let fake = FakeHandshaker()
        let log = LogRecorder()
        let daemon = try TestDaemon(.server, fake, log: log.logger)
        let link = try Link()
        let secured = try daemon.secure(link.server, RecordLayerChoice(layer))
        let other = try TestSecrets.channel(.user, link.client, TestSecrets.make(.aes128GCM), .client)
        #expect(daemon.server.recheck() == 0)
        #expect(try exchange(other, secured.channel))
        #expect(secured.channel.endedByDaemon() == nil)
        fake.objection.withLock(wake: false) { $0 = "the certificate was revoked" }
        #expect(daemon.server.recheck() == 1)
        try expectCut(secured.channel)
        try expectCut(other)
        #expect(secured.channel.endedByDaemon() == "the certificate was revoked")
        // Told once, ended once.
        #expect(secured.channel.endedByDaemon() == nil && daemon.server.recheck() == 0)
        let lines = log.lines.filter { $0.hasPrefix("warning") }
        #expect(lines.count == 1 && lines[0].contains("CN=files.example") && lines[0].contains("revoked"), "\(lines)")
    }

    /// A session without a certificate has nothing to check; one that is gone is not looked at.
    @Test func othersAreLeftAlone() throws {
        let fake = FakeHandshaker()
        let daemon = try TestDaemon(.server, fake)
        let link = try Link()
        let plain = try daemon.secure(link.server, .user, name: "nobody")
        let other = try TestSecrets.channel(.user, link.client, TestSecrets.make(.aes128GCM), .client)
        do { _ = try daemon.secure(try Link().server, .user) }
        #expect(eventually { daemon.server.sessionCount == 1 })
        fake.objection.withLock(wake: false) { $0 = "revoked" }
        #expect(daemon.server.recheck() == 0)
        #expect(try exchange(other, plain.channel))
    }

    /// A handshake that began before the reload and ends after it goes by the new files too.
    @Test func aHandshakeUnderWay() throws {
        let fake = FakeHandshaker()
        let daemon = try TestDaemon(.server, fake)
        let link = try Link()
        let engine = try Running { try daemon.failure(link.server, name: "silent") }
        #expect(fake.waiting.wait(until: .after(seconds: 10)) { $0 ? true : nil } == true)
        fake.objection.withLock(wake: false) { $0 = "revoked meanwhile" }
        #expect(daemon.server.recheck() == 0)
        fake.gate.withLock(wake: true) { $0 = true }
        let failure = try engine.value()
        #expect(failure.kind == .peerRefused && failure.reason == "revoked meanwhile")
        #expect(eventually { daemon.server.sessionCount == 0 })
    }

    /// Nor has a client without a certificate anything to fear from a reload in its handshake.
    @Test func aHandshakeUnderWayWithoutACertificate() throws {
        let fake = FakeHandshaker()
        let daemon = try TestDaemon(.server, fake)
        let link = try Link()
        let engine = try Running { try daemon.secure(link.server, .user, name: "silent nobody") }
        #expect(fake.waiting.wait(until: .after(seconds: 10)) { $0 ? true : nil } == true)
        fake.objection.withLock(wake: false) { $0 = "revoked meanwhile" }
        #expect(daemon.server.recheck() == 0)
        fake.gate.withLock(wake: true) { $0 = true }
        #expect(try engine.value().peer == nil)
    }

    /// Two authorities are trusted, then one: the sessions of the other's clients end, on both record layers.
    @Test(arguments: TestedLayers.all) func anAuthorityThatIsTrustedNoMore(_ layer: Channel.Layer) throws {
        let credentials = try Credentials()
        let former = try CertificateAuthority.create(at: credentials.directory.path + "/former", name: "former")
        let leaver = try former.issueClient(name: "leaver")
        let trust = credentials.directory.path + "/trust.pem"
        let ours = contents(of: credentials.authority.certificateFile)
        try write(ours + contents(of: former.certificateFile), to: trust)
        let handshaker = try TLSHandshaker(
            .server,
            TLSConfiguration(
                certificateFile: credentials.server.certificateFile, keyFile: credentials.server.keyFile,
                trustAnchorsFile: trust))
        let tlssd = try TestDaemon(.server, handshaker)
        func session(_ issued: CertificateAuthority.Issued) throws -> (client: Channel, server: Channel) {
            let tlscd = try TestDaemon(.client, try credentials.clientHandshaker(as: issued))
            let link = try Link()
            let accepted = try Running { try tlssd.secure(link.server, RecordLayerChoice(layer)) }
            return (try tlscd.secure(link.client, .user).channel, try accepted.value().channel)
        }
        let (stays, goes) = (try session(credentials.client), try session(leaver))
        try handshaker.reload()
        #expect(tlssd.server.recheck() == 0)
        try write(ours, to: trust)
        try handshaker.reload()
        #expect(tlssd.server.recheck() == 1)
        try expectCut(goes.server)
        try expectCut(goes.client)
        let reason = goes.server.endedByDaemon() ?? ""
        #expect(reason.contains("CN=leaver") && reason.contains("CN=former") && reason.contains(trust), "\(reason)")
        #expect(try exchange(stays.client, stays.server))
        #expect(stays.server.endedByDaemon() == nil)
    }
}
