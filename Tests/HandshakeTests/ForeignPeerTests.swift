import COpenSSL
import Certificates
import Glibc
import Handshake
import Kernel
import SecureChannel
import TLS
import TestSupport
import Testing

/// The daemons' real handshakes, and the channel behind them, against themselves and against OpenSSL's TLS.
@Suite struct ForeignPeerTests {
    static let cases = TestedLayers.all.flatMap { layer in CipherSuite.allCases.map { (layer, $0) } }
    static let pairs = TestedLayers.pairs.flatMap { pair in CipherSuite.allCases.map { (pair, $0) } }
    private let credentials: Credentials
    private let link: Link

    init() throws {
        credentials = try Credentials()
        link = try Link()
    }

    private func message(_ bytes: [UInt8]) -> OutboundMessage {
        let file = TestFile(bytes)
        return OutboundMessage(
            head: Array("head".utf8), file: .init(file: file.descriptor, offset: 0, count: bytes.count))
    }

    /// Both daemons: mutual TLS, every suite, every pair of layers.
    @Test(arguments: pairs) func bothDaemons(_ layers: LayerPair, _ suite: CipherSuite) throws {
        let tlscd = try TestDaemon(.client, try credentials.clientHandshaker([suite]))
        let tlssd = try TestDaemon(.server, try credentials.serverHandshaker())
        let link = link
        let accepted = try Running { try tlssd.secure(link.server, RecordLayerChoice(layers.server)) }
        let client = try tlscd.secure(link.client, RecordLayerChoice(layers.client))
        let server = try accepted.value()
        #expect(client.suite == suite && server.suite == suite && client.applicationProtocol == "sunrpc")
        #expect(client.channel.layer == layers.client && server.channel.layer == layers.server)
        #expect(client.peer?.subject == "CN=files.example" && server.peer?.subject == "CN=backup")
        #expect(try exchange(client.channel, server.channel, 100_000))
        client.channel.close(until: .after(seconds: 5))
        #expect(try Receiving.untilEnd(of: server.channel).isEmpty)
    }

    @Test(arguments: cases) func openSSLAsClient(_ layer: Channel.Layer, _ suite: CipherSuite) throws {
        let tlssd = try TestDaemon(.server, try credentials.serverHandshaker())
        let peer = try ForeignPeer(.client, credentials.client, on: link.client, suite: suite)
        let bytes = pattern(200_000)
        let foreign = try Running { () -> [UInt8] in
            guard peer.handshake(), peer.write(bytes) else { throw Unexpected("OpenSSL's handshake failed") }
            return peer.read(4 + bytes.count)
        }
        let secured = try tlssd.secure(link.server, RecordLayerChoice(layer))
        #expect(secured.suite == suite && secured.channel.layer == layer && secured.peer?.subject == "CN=backup")
        let file = TestFile()
        #expect(try Receiving.file(bytes.count, from: secured.channel, to: file.raw).failures.isEmpty)
        #expect(try file.contents == bytes)
        try secured.channel.send(message(bytes), until: .after(seconds: 20))
        #expect(try foreign.value() == Array("head".utf8) + bytes)
        // And ends that both understand.
        secured.channel.close(until: .after(seconds: 5))
        #expect(peer.hasEnded)
    }

    /// A server that sends session tickets right after its handshake: "the 478 bytes".
    @Test(arguments: cases) func openSSLAsServerWithTickets(_ layer: Channel.Layer, _ suite: CipherSuite) throws {
        let tlscd = try TestDaemon(.client, try credentials.clientHandshaker([suite]))
        let peer = try ForeignPeer(.server, credentials.server, on: link.server)
        let bytes = pattern(200_000)
        let foreign = try Running { () -> [UInt8] in
            guard peer.handshake(), peer.write(bytes) else { throw Unexpected("OpenSSL's handshake failed") }
            let received = peer.read(4 + bytes.count)
            peer.close()
            return received
        }
        let secured = try tlscd.secure(link.client, RecordLayerChoice(layer), mutual: false)
        #expect(secured.suite == suite && secured.channel.layer == layer)
        #expect(secured.applicationProtocol == nil)
        let file = TestFile()
        #expect(try Receiving.file(bytes.count, from: secured.channel, to: file.raw).failures.isEmpty)
        #expect(try file.contents == bytes)
        try secured.channel.send(message(bytes), until: .after(seconds: 20))
        #expect(try foreign.value() == Array("head".utf8) + bytes)
        #expect(try Receiving.untilEnd(of: secured.channel).isEmpty)
    }

    /// Messages both ways at once right after the handshake, tickets among them.
    @Test(arguments: TestedLayers.all) func bothWaysAtOnce(_ layer: Channel.Layer) throws {
        let tlscd = try TestDaemon(.client, try credentials.clientHandshaker())
        let peer = try ForeignPeer(.server, credentials.server, on: link.server)
        let bytes = pattern(30_000)
        let foreign = try Running { () -> [UInt8] in
            guard peer.handshake(), peer.write(bytes) else { throw Unexpected("OpenSSL's handshake failed") }
            return peer.read(bytes.count)
        }
        let channel = try tlscd.secure(link.client, RecordLayerChoice(layer), mutual: false).channel
        let sender = try Running { try channel.send(OutboundMessage(head: bytes), until: .after(seconds: 20)) }
        #expect(try Receiving.bytes(bytes.count, from: channel) == bytes)
        #expect(try foreign.value() == bytes)
        try sender.value()
    }

    /// OpenSSL's KeyUpdates, asked for and not. Where the kernel cannot, it says so.
    @Test(arguments: TestedLayers.all, [true, false]) func keyUpdatesOfOpenSSL(
        _ layer: Channel.Layer, _ requested: Bool
    ) throws {
        let tlscd = try TestDaemon(.client, try credentials.clientHandshaker())
        let peer = try ForeignPeer(.server, credentials.server, on: link.server)
        let foreign = try Running { () -> [UInt8] in
            guard peer.handshake(), peer.write(Array("one".utf8)) else {
                throw Unexpected("OpenSSL's handshake failed")
            }
            for _ in 0..<3 {
                guard peer.updateKey(requested: requested), peer.write(Array("two".utf8)) else { break }
            }
            return peer.read(8)
        }
        let channel = try tlscd.secure(link.client, RecordLayerChoice(layer), mutual: false).channel
        #expect(try Receiving.bytes(3, from: channel) == Array("one".utf8))
        if layer == .kernel && !TestedLayers.canKernelRekey {
            let error = #expect(throws: ChannelError.self) { _ = try Receiving.bytes(3, from: channel) }
            guard case .cannotRekey(let reason) = error else { throw try #require(error) }
            #expect(reason.contains("this kernel cannot change a key in use"))
            channel.abort(.cannotRekey(reason))
            _ = try foreign.value()
            return
        }
        // In the kernel's layer each went through REKEY of the daemon, which has the secrets.
        #expect(try Receiving.bytes(9, from: channel) == Array("twotwotwo".utf8))
        try channel.send(OutboundMessage(head: Array("fourfive".utf8)), until: .after(seconds: 10))
        #expect(try foreign.value() == Array("fourfive".utf8))
    }

    /// This end's KeyUpdates at the limit of its key, and those it asks for at the limit of the peer's.
    @Test(arguments: TestedLayers.canKernelRekey ? [Channel.Layer.user, .kernel] : [.user], [Channel.Role.client, .server])
    func keyLimitsWithOpenSSL(_ layer: Channel.Layer, _ role: Channel.Role) throws {
        let daemon = try TestDaemon(
            role, role == .client ? try credentials.clientHandshaker() : try credentials.serverHandshaker())
        let peer = try ForeignPeer(
            role == .client ? .server : .client, role == .client ? credentials.server : credentials.client,
            on: role == .client ? link.server : link.client)
        // 62 records, and their answer; the limit is 64.
        let bytes = pattern(1_000_000)
        let foreign = try Running { () -> Bool in
            guard peer.handshake() else { throw Unexpected("OpenSSL's handshake failed") }
            for _ in 0..<6 {
                guard peer.read(4 + bytes.count) == Array("head".utf8) + bytes, peer.write(bytes) else { return false }
            }
            return true
        }
        var engine = daemon.engine(RecordLayerChoice(layer))
        engine.keyLimits = KeyLimits(records: 64)
        let channel = try engine.secure(
            role == .client ? link.client : link.server,
            HandshakeRequest(peerName: "files.example", mutual: false, deadline: .after(seconds: 10))
        ).channel
        #expect(channel.takesKeyUpdates)
        channel.allowKeyUpdates()
        for _ in 0..<6 {
            try channel.send(message(bytes), until: .after(seconds: 20))
            let file = TestFile()
            #expect(try Receiving.file(bytes.count, from: channel, to: file.raw).failures.isEmpty)
            #expect(try file.contents == bytes)
        }
        #expect(try foreign.value())
        #expect(channel.keyChanges.sending >= 3 && channel.keyChanges.receiving >= 2 && !channel.isWorn)
    }

    /// A daemon that is gone cannot rekey for the kernel, and that is the reason given.
    @Test func rekeyWithoutTheDaemon() throws {
        guard TestedLayers.canKernelRekey else { return }
        let daemon = try TestDaemon(.server, FakeHandshaker())
        let channel = try daemon.secure(link.server, .kernel).channel
        #expect(channel.takesKeyUpdates)
        try daemon.stop()
        let peer = RawPeer(link.client, TestSecrets.make(.aes128GCM), .client)
        try peer.sendKeyUpdate()
        try peer.sendRecord([1])
        let error = #expect(throws: ChannelError.self) { _ = try Receiving.bytes(1, from: channel) }
        guard case .cannotRekey(let reason) = error else { throw try #require(error) }
        #expect(reason.contains("handshake daemon"))
    }

    @Test func aPeerOfTLS12IsRefused() throws {
        let tlssd = try TestDaemon(.server, try credentials.serverHandshaker())
        let client = try ForeignPeer(.client, credentials.client, on: link.client, maximum: TLS1_2_VERSION)
        let foreign = try Running { client.handshake() }
        let refused = try tlssd.failure(link.server)
        #expect(
            refused.kind == .protocolViolation && refused.reason.contains("no TLS 1.3")
                && refused.reason.contains("TLS 1.2"))
        shutdown(link.server.raw, Int32(SHUT_RDWR))
        #expect(try !foreign.value())

        let other = try Link()
        let tlscd = try TestDaemon(.client, try credentials.clientHandshaker())
        let server = try ForeignPeer(.server, credentials.server, on: other.server, maximum: TLS1_2_VERSION)
        let serving = try Running { server.handshake() }
        let failure = try tlscd.failure(other.client)
        #expect(failure.kind == .protocolViolation && failure.reason.contains("no TLS 1.3"))
        shutdown(other.client.raw, Int32(SHUT_RDWR))
        #expect(try !serving.value())
    }

    /// A real peer that says nothing: the deadline comes, and with 200 of them (30 in a lab) another handshake does not wait for it.
    @Test func silentPeers() throws {
        let tlssd = try TestDaemon(.server, try credentials.serverHandshaker())
        let tlscd = try TestDaemon(.client, try credentials.clientHandshaker())
        // In a lab, where each costs a twentieth of a second to begin, fewer: all are to be waiting when the other comes.
        let silent = try (0..<(TestedLayers.lab == nil ? 200 : 30)).map { _ in try Link() }
        let waiting = try silent.map { link in try Running { try tlssd.failure(link.server, seconds: 8) } }
        let link = link
        let accepted = try Running { try tlssd.secure(link.server, .user) }
        let client = try tlscd.secure(link.client, .user)
        _ = try accepted.value()
        #expect(waiting.allSatisfy { !$0.isDone })
        #expect(client.peer?.subject == "CN=files.example")
        for one in waiting {
            let failure = try one.value()
            #expect(failure.kind == .timedOut, "\(failure.reason)")
        }
    }
}
