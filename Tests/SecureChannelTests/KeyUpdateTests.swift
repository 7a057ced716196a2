import Kernel
import SecureChannel
import TestSupport
import Testing

/// RFC 8446 section 4.6.3. In the kernel layer this needs Linux 6.14: there it goes on, and elsewhere it ends with a reason.
@Suite struct KeyUpdateTests {
    /// The layers whose receiving half can take a KeyUpdate here.
    static let able: [Channel.Layer] = TestedLayers.canKernelRekey ? [.user, .kernel] : [.user]
    static let cases = able.flatMap { layer in CipherSuite.allCases.map { (layer, $0) } }

    private func bench(_ layer: Channel.Layer, _ suite: CipherSuite = .aes128GCM) throws -> (Channel, RawPeer) {
        let link = try Link()
        let secrets = TestSecrets.make(suite)
        return (
            try TestSecrets.channel(layer, link.server, secrets, .server), RawPeer(link.client, secrets, .client)
        )
    }

    @Test(arguments: cases) func dataGoesOn(_ layer: Channel.Layer, _ suite: CipherSuite) throws {
        let (channel, peer) = try bench(layer, suite)
        let file = TestFile()
        // Several in a row, with data and without between them, and behind each other on the socket.
        var expected: [UInt8] = []
        for round in 0..<6 {
            let bytes = pattern(round * 1000 + 1, seed: UInt64(round))
            try peer.sendRecord(bytes)
            expected += bytes
            for _ in 0..<round % 3 + 1 { try peer.sendKeyUpdate() }
        }
        try peer.sendRecord(Array("end".utf8))
        let half = expected.count / 2
        #expect(try Receiving.bytes(half, from: channel) == Array(expected.prefix(half)))
        let outcome = try Receiving.file(expected.count - half, from: channel, to: file.raw)
        #expect(outcome.failures.isEmpty)
        #expect(try file.contents == Array(expected.dropFirst(half)))
        #expect(try Receiving.bytes(3, from: channel) == Array("end".utf8))
    }

    /// One that was asked for is answered before the next message, and the message has the next key.
    @Test(arguments: cases) func aRequestIsAnswered(_ layer: Channel.Layer, _ suite: CipherSuite) throws {
        let (channel, peer) = try bench(layer, suite)
        try peer.sendKeyUpdate(requested: true)
        try peer.sendKeyUpdate(requested: true)
        try peer.sendRecord([1])
        #expect(try Receiving.bytes(1, from: channel) == [1])
        try channel.send(OutboundMessage(head: [2, 3]), until: .after(seconds: 10))
        // Two requests before the answer are answered once.
        let answer = try #require(try peer.receive())
        #expect(answer.type == 22 && answer.bytes == [24, 0, 0, 1, 0])
        let data = try #require(try peer.receive())
        #expect(data.type == 23 && data.bytes == [2, 3])
        // And what was not asked for is not answered.
        try peer.sendKeyUpdate()
        try peer.sendRecord([4])
        #expect(try Receiving.bytes(1, from: channel) == [4])
        try channel.send(OutboundMessage(head: [5]), until: .after(seconds: 10))
        let next = try #require(try peer.receive())
        #expect(next.type == 23 && next.bytes == [5])
    }

    /// This end's own, in the middle of its messages.
    @Test(arguments: cases) func thisEndChangesItsKey(_ layer: Channel.Layer, _ suite: CipherSuite) throws {
        let (channel, peer) = try bench(layer, suite)
        for round in 0..<4 {
            _ = try channel.sender.enqueue(OutboundMessage(head: pattern(40_000, seed: UInt64(round))))
            _ = try channel.sender.enqueueKeyUpdate(requested: round % 2 == 0)
        }
        _ = try channel.sender.enqueue(OutboundMessage(head: [77]))
        let sender = try Running { try Channel.finish(channel.sender, on: channel.socket, until: .after(seconds: 20)) }
        var received: [UInt8] = []
        var updates = 0
        while received.count < 160_001 {
            let record = try #require(try peer.receive())
            if record.type == 22 { updates += 1 } else { received += record.bytes }
        }
        try sender.value()
        #expect(updates == 4)
        #expect(received == (0..<4).flatMap { pattern(40_000, seed: UInt64($0)) } + [77])
    }

    /// Between two channels, both ways, whoever has the records.
    @Test(arguments: able, able) func bothWays(_ client: Channel.Layer, _ server: Channel.Layer) throws {
        let pair = try ChannelPair(client, server)
        for round in 0..<5 {
            let bytes = pattern(30_000, seed: UInt64(round))
            if try pair.client.sender.enqueueKeyUpdate(requested: true) {
                try Channel.finish(pair.client.sender, on: pair.link.client, until: .after(seconds: 10))
            }
            try pair.client.send(OutboundMessage(head: bytes), until: .after(seconds: 10))
            #expect(try Receiving.bytes(bytes.count, from: pair.server) == bytes)
            try pair.server.send(OutboundMessage(head: bytes), until: .after(seconds: 10))
            #expect(try Receiving.bytes(bytes.count, from: pair.client) == bytes)
        }
    }

    /// A handshake message must not go on behind a KeyUpdate in its record: RFC 8446 section 5.1.
    @Test(arguments: able) func nothingFollowsInItsRecord(_ layer: Channel.Layer) throws {
        let (channel, peer) = try bench(layer)
        try peer.sendRecord([24, 0, 0, 1, 0, 24, 0, 0, 1, 0], type: 22)
        // What comes next is sealed with a key this end has left behind, in either layer.
        try peer.sendRecord([1])
        let error = try #require(throws: ChannelError.self) { _ = try Receiving.bytes(1, from: channel) }
        switch (layer, error) {
        case (.user, .violation(.unexpectedMessage, _)): break
        // The kernel hands a record out in pieces, so that its end is not seen; the key gives it away.
        case (.kernel, .violation(.badRecordMAC, _)), (.kernel, .violation(.unexpectedMessage, _)): break
        default: throw error
        }
    }

    /// Where the kernel cannot take a new key, that is what is said, and the bytes before are not lost.
    @Test func aKernelThatCannotSaysSo() throws {
        guard TestedLayers.isKernelThere && !TestedLayers.canKernelRekey else { return }
        let (channel, peer) = try bench(.kernel)
        try peer.sendRecord([1, 2])
        try peer.sendKeyUpdate()
        try peer.sendRecord([3])
        let (bytes, error) = try Receiving.untilError(of: channel)
        #expect(bytes == [1, 2])
        guard case .cannotRekey(let reason) = error else { throw try #require(error) }
        #expect(!reason.isEmpty)
        #expect("\(ChannelError.cannotRekey(reason))".contains("KeyUpdate"))
    }
}
