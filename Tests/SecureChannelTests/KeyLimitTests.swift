import Kernel
import TestSupport
import Testing

@testable import SecureChannel

/// RFC 8446 section 5.5: a key protects only so many records, here few.
@Suite struct KeyLimitTests {
    /// Few records, and no message in these tests has more than ten.
    private static let limits = KeyLimits(records: 64)

    private func bench(
        _ layer: Channel.Layer, _ suite: CipherSuite = .aes128GCM, _ limits: KeyLimits = Self.limits
    ) throws -> (Channel, RawPeer) {
        let link = try Link()
        let secrets = TestSecrets.make(suite)
        return (
            try TestSecrets.channel(layer, link.server, secrets, .server, limits),
            RawPeer(link.client, secrets, .client)
        )
    }

    /// A head and a file's bytes: eight records.
    private func message(_ round: Int) -> OutboundMessage {
        let file = TestFile(pattern(120_000, seed: UInt64(round)))
        return OutboundMessage(
            head: [UInt8(truncatingIfNeeded: round)], file: .init(file: file.descriptor, offset: 0, count: 120_000))
    }

    private func content(_ round: Int) -> [UInt8] {
        [UInt8(truncatingIfNeeded: round)] + pattern(120_000, seed: UInt64(round))
    }

    /// Sends messages and looks at the records from the other end.
    ///
    /// - Returns: how many records each key had.
    private func records(_ channel: Channel, _ peer: RawPeer, messages: Int) throws -> [Int] {
        let sender = try Running {
            for round in 0..<messages { try channel.send(message(round), until: .after(seconds: 60)) }
        }
        var records = [0]
        var received: [UInt8] = []
        let wanted = (0..<messages).flatMap { content($0) }
        while received.count < wanted.count {
            let record = try #require(try peer.receive())
            records[records.count - 1] += 1
            if record.type == 22 {
                #expect(record.bytes == [24, 0, 0, 1, 0])
                records.append(0)
            } else {
                received += record.bytes
            }
        }
        try sender.value()
        #expect(received == wanted)
        return records
    }

    @Test(arguments: KeyUpdateTests.cases) func theKeyIsChangedInTime(
        _ layer: Channel.Layer, _ suite: CipherSuite
    ) throws {
        let (channel, peer) = try bench(layer, suite)
        channel.allowKeyUpdates()
        let records = try records(channel, peer, messages: 40)
        // Between two messages: behind the one that reaches the limit, and not before it.
        for count in records.dropLast() { #expect((64...80).contains(count), "\(records)") }
        // There may be one more behind the last message.
        #expect(records.count >= 4 && (0...1).contains(channel.keyChanges.sending - (records.count - 1)))
        #expect(!channel.isWorn)
    }

    /// Who has sent one takes one.
    @Test(arguments: KeyUpdateTests.able) func aPeerThatShowsIt(_ layer: Channel.Layer) throws {
        let (channel, peer) = try bench(layer)
        try peer.sendKeyUpdate()
        try peer.sendRecord([1])
        #expect(try Receiving.bytes(1, from: channel) == [1])
        #expect(try records(channel, peer, messages: 20).count > 1)
        #expect(channel.keyChanges.receiving == 1)
    }

    /// A peer that may not take a KeyUpdate gets none: the channel says that it is worn, and goes on until the last limit.
    @Test(arguments: TestedLayers.all) func otherwiseItIsWorn(_ layer: Channel.Layer) throws {
        let (channel, peer) = try bench(layer, .aes128GCM, KeyLimits(records: 64, most: 128))
        #expect(try records(channel, peer, messages: 7).count == 1)
        #expect(!channel.isWorn)
        #expect(try records(channel, peer, messages: 5).count == 1)
        #expect(channel.isWorn)
        let reader = try Running { () -> Int in
            var count = 0
            while (try? peer.receive()) != nil { count += 1 }
            return count
        }
        let error = #expect(throws: ChannelError.self) {
            for round in 0..<8 { try channel.send(message(round), until: .after(seconds: 60)) }
        }
        guard case .keyUsedUp = error else { throw try #require(error) }
        Socket.shutdown(channel.socket.raw)
        // Some 96 came before.
        #expect(try (16...48).contains(reader.value()))
    }

    /// What was worn is changed as soon as the peer says that it takes that.
    @Test(arguments: KeyUpdateTests.able) func wornNoMore(_ layer: Channel.Layer) throws {
        let (channel, peer) = try bench(layer)
        #expect(try records(channel, peer, messages: 12).count == 1)
        #expect(channel.isWorn)
        channel.allowKeyUpdates()
        #expect(!channel.isWorn)
        let records = try records(channel, peer, messages: 3)
        #expect(records.count == 2 && !channel.isWorn)
    }

    /// Receives so many records of a page and a little.
    private func take(_ count: Int, _ channel: Channel, _ peer: RawPeer) throws {
        let bytes = pattern(5000)
        let sender = try Running { for _ in 0..<count { try peer.sendRecord(bytes) } }
        #expect(try Receiving.bytes(count * bytes.count, from: channel).count == count * bytes.count)
        try sender.value()
    }

    /// The receiving half has the peer asked for another key, once, before this end's next message.
    @Test(arguments: KeyUpdateTests.able) func theReceiverAsks(_ layer: Channel.Layer) throws {
        let (channel, peer) = try bench(layer)
        channel.allowKeyUpdates()
        for _ in 0..<2 {
            try take(100, channel, peer)
            for byte: UInt8 in [7, 8] {
                try channel.send(OutboundMessage(head: [byte]), until: .after(seconds: 10))
                if byte == 7 {
                    let ask = try #require(try peer.receive())
                    #expect(ask.type == 22 && ask.bytes == [24, 0, 0, 1, 1])
                }
                let data = try #require(try peer.receive())
                #expect(data.type == 23 && data.bytes == [byte])
            }
            #expect(!channel.isWorn)
            try peer.sendKeyUpdate()
        }
        try peer.sendRecord([9])
        #expect(try Receiving.bytes(1, from: channel) == [9])
        #expect(channel.keyChanges.receiving == 2 && channel.keyChanges.sending == 2)
    }

    /// A peer that does not do as it is asked wears the channel out.
    @Test(arguments: KeyUpdateTests.able) func aPeerThatDoesNotListen(_ layer: Channel.Layer) throws {
        let (channel, peer) = try bench(layer)
        channel.allowKeyUpdates()
        for (sent, isWorn) in [(100, false), (60, true)] {
            try take(sent, channel, peer)
            #expect(channel.isWorn == isWorn)
        }
    }

    /// The receiving half counts, whether bytes are looked at or go to a file.
    @Test(arguments: TestedLayers.all, [false, true]) func receivingWears(_ layer: Channel.Layer, _ toFile: Bool) throws
    {
        let (channel, peer) = try bench(layer)
        let bytes = pattern(16384)
        let file = TestFile()
        for (count, isWorn) in [(60, false), (10, true)] {
            let sender = try Running { for _ in 0..<count { try peer.sendRecord(bytes) } }
            if toFile {
                _ = try Receiving.file(count * bytes.count, from: channel, to: file.raw)
            } else {
                _ = try Receiving.bytes(count * bytes.count, from: channel)
            }
            try sender.value()
            #expect(channel.isWorn == isWorn)
        }
    }

    /// Both ends, both ways, files by sendfile and splice where the layer has them: no end is worn, and both count the same.
    @Test(arguments: KeyUpdateTests.able, KeyUpdateTests.able) func bothWays(
        _ client: Channel.Layer, _ server: Channel.Layer
    ) throws {
        let pair = try ChannelPair(client, server, limits: (Self.limits, Self.limits))
        pair.client.allowKeyUpdates()
        pair.server.allowKeyUpdates()
        let ways = [(pair.client, pair.server), (pair.server, pair.client)]
        let running = try ways.map { sender, receiver in
            (
                try Running { for round in 0..<60 { try sender.send(message(round), until: .after(seconds: 60)) } },
                try Running {
                    for round in 0..<60 {
                        let file = TestFile()
                        let head = try Receiving.bytes(1, from: receiver)
                        _ = try Receiving.file(120_000, from: receiver, to: file.raw)
                        #expect(try head + file.contents == content(round))
                    }
                }
            )
        }
        for (sending, receiving) in running {
            try sending.value()
            try receiving.value()
        }
        #expect(!pair.client.isWorn && !pair.server.isWorn)
        for (sender, receiver) in ways { #expect(sender.keyChanges.sending >= 5 && receiver.keyChanges.receiving >= 5) }
    }

    /// Each costs a derivation, or an upcall: as many as one likes are not taken.
    @Test(arguments: KeyUpdateTests.able) func aFlood(_ layer: Channel.Layer) throws {
        let (channel, peer) = try bench(layer)
        for _ in 0..<3 {
            for _ in 0..<32 { try peer.sendKeyUpdate() }
            try peer.sendRecord([1])
        }
        #expect(try Receiving.bytes(3, from: channel) == [1, 1, 1])
        for _ in 0..<33 { try peer.sendKeyUpdate() }
        try peer.sendRecord([1])
        let error = try #require(throws: ChannelError.self) { _ = try Receiving.bytes(1, from: channel) }
        guard case .violation(.unexpectedMessage, let reason) = error else { throw error }
        #expect(reason.contains("33 KeyUpdates"))
    }

    /// What the kernel says of itself is what arrives.
    @Test(arguments: CipherSuite.allCases) func theKernelsNumber(_ suite: CipherSuite) throws {
        guard TestedLayers.isKernelThere else { return }
        let (channel, peer) = try bench(.kernel, suite, .server)
        #expect(try KernelTLS.records(channel.socket.raw, .send) == 0)
        let count = try records(channel, peer, messages: 3)
        #expect(try KernelTLS.records(channel.socket.raw, .send) == UInt64(count[0]))
        for _ in 0..<5 { try peer.sendRecord([1]) }
        #expect(try Receiving.bytes(5, from: channel).count == 5)
        #expect(try KernelTLS.records(channel.socket.raw, .receive) == 5)
    }
}
