import Glibc
import Kernel
import SecureChannel
import SystemPackage
import TestSupport
import Testing

/// How streams end: well, cut, with an alert, with a file that got shorter.
@Suite struct EndTests {
    @Test(arguments: TestedLayers.pairs) func closeNotifyIsTheEnd(_ layers: LayerPair) throws {
        let pair = try ChannelPair(layers)
        try pair.client.send(OutboundMessage(head: Array("last".utf8)))
        pair.client.close(until: .after(seconds: 5))
        #expect(try Receiving.untilEnd(of: pair.server) == Array("last".utf8))
        // It stays the end.
        #expect(try Receiving.untilEnd(of: pair.server).isEmpty)
        let file = TestFile()
        #expect(try Receiving.file(10, from: pair.server, to: file.raw).ended)
        #expect(throws: ChannelError.self) { try pair.client.send(OutboundMessage(head: [1])) }
    }

    /// Close sends what is queued first, though the socket takes it slowly.
    @Test(arguments: TestedLayers.all) func closeLosesNothing(_ layer: Channel.Layer) throws {
        let pair = try ChannelPair(layer, .user)
        try Socket.setOption(pair.link.client.raw, SOL_SOCKET, SO_SNDBUF, 8 << 10)
        let bytes = pattern(3 << 20)
        let receiver = try Running { try Receiving.untilEnd(of: pair.server) }
        _ = try pair.client.sender.enqueue(OutboundMessage(head: bytes))
        guard try pair.client.sender.flush(budget: 1 << 16) != .idle else { return }
        try Channel.finish(pair.client.sender, on: pair.link.client, until: .after(seconds: 20))
        pair.client.close(until: .after(seconds: 20))
        #expect(try receiver.value() == bytes)
    }

    /// Who closes while another thread sends waits for that: all of it goes out, and then close_notify.
    @Test(arguments: TestedLayers.all) func closeBehindAnotherSender(_ layer: Channel.Layer) throws {
        let pair = try ChannelPair(layer, .user)
        let bytes = pattern(1 << 20)
        for _ in 0..<24 { _ = try pair.client.sender.enqueue(OutboundMessage(head: bytes)) }
        // Nobody reads yet: this thread stays the flusher.
        try #require(try pair.client.sender.flush() == .blocked)
        let closed = Condition(false)
        let closer = try Running {
            pair.client.close(until: .after(seconds: 30))
            closed.withLock(wake: true) { $0 = true }
        }
        #expect(closed.wait(until: .after(seconds: 0.2)) { $0 ? true : nil } == nil)
        let receiver = try Running { try Receiving.untilEnd(of: pair.server).count }
        try Channel.finish(pair.client.sender, on: pair.link.client, until: .after(seconds: 30))
        #expect(try receiver.value() == 24 << 20)
        try closer.value()
    }

    /// Where the other thread's peer does not read, closing does not wait for ever.
    @Test(arguments: TestedLayers.all) func closeBehindABlockedSender(_ layer: Channel.Layer) throws {
        let pair = try ChannelPair(layer, .user)
        let bytes = pattern(1 << 20)
        for _ in 0..<24 { _ = try pair.client.sender.enqueue(OutboundMessage(head: bytes)) }
        try #require(try pair.client.sender.flush() == .blocked)
        pair.client.close(until: .after(seconds: 0.05))
        #expect(throws: ChannelError.self) { _ = try pair.client.sender.enqueue(OutboundMessage(head: [1])) }
    }

    @Test(arguments: TestedLayers.all, [true, false]) func aCutIsTruncation(_ layer: Channel.Layer, _ toFile: Bool)
        throws
    {
        let pair = try ChannelPair(.user, layer)
        try pair.client.send(OutboundMessage(head: Array("some".utf8)))
        shutdown(pair.link.client.raw, Int32(SHUT_WR))
        if toFile {
            let file = TestFile()
            let error = try #require(throws: ChannelError.self) {
                _ = try Receiving.file(100, from: pair.server, to: file.raw)
            }
            guard case .truncated = error else { throw error }
            #expect(try file.contents == Array("some".utf8))
        } else {
            let (bytes, error) = try Receiving.untilError(of: pair.server)
            #expect(bytes == Array("some".utf8))
            guard case .truncated = error else { throw try #require(error) }
            #expect("\(ChannelError.truncated)".contains("without a close_notify"))
        }
    }

    /// Cut inside a record: at each of its bytes.
    @Test(arguments: TestedLayers.all) func aCutInsideARecord(_ layer: Channel.Layer) throws {
        for length in [1, 4, 5, 6, 21, 26] {
            let link = try Link()
            let secrets = TestSecrets.make(.aes128GCM)
            let server = try TestSecrets.channel(layer, link.server, secrets, .server)
            let peer = RawPeer(link.client, secrets, .client)
            let first = peer.record([1, 2, 3])
            let second = peer.record([4, 5, 6, 7, 8])
            try peer.send(first + second.prefix(length))
            peer.cut()
            let (bytes, error) = try Receiving.untilError(of: server)
            #expect(bytes == [1, 2, 3])
            guard case .truncated = error else {
                Issue.record("cut after \(length) bytes: \(error.map { "\($0)" } ?? "a good end")")
                continue
            }
        }
    }

    /// What a peer may say, and that each is told by its name.
    @Test(arguments: TestedLayers.all, [10, 20, 22, 40, 42, 44, 45, 46, 48, 49, 50, 80, 90, 116, 200] as [UInt8])
    func alerts(_ layer: Channel.Layer, _ code: UInt8) throws {
        let link = try Link()
        let secrets = TestSecrets.make(.aes128GCM)
        let server = try TestSecrets.channel(layer, link.server, secrets, .server)
        let peer = RawPeer(link.client, secrets, .client)
        try peer.sendRecord([9])
        try peer.sendRecord([2, code], type: 21)
        let (bytes, error) = try Receiving.untilError(of: server)
        #expect(bytes == [9])
        guard case .peerAlert(let alert) = error else { throw try #require(error) }
        #expect(alert.code == code)
        #expect("\(ChannelError.peerAlert(alert))".contains(alert.name))
        if code == 116 { #expect("\(ChannelError.peerAlert(alert))".contains("client certificate")) }
    }

    /// An alert where few bytes are waited for: the kernel hands a record out in pieces then.
    @Test(arguments: TestedLayers.all, [1, 2, 3]) func anAlertInASmallBuffer(_ layer: Channel.Layer, _ size: Int) throws
    {
        let link = try Link()
        let secrets = TestSecrets.make(.aes128GCM)
        let server = try TestSecrets.channel(layer, link.server, secrets, .server)
        let peer = RawPeer(link.client, secrets, .client)
        try peer.sendRecord([2, 48], type: 21)
        let error = try #require(throws: ChannelError.self) { _ = try Receiving.bytes(size, from: server) }
        guard case .peerAlert(let alert) = error else { throw error }
        #expect(alert.name == "unknown_ca")
    }

    /// An engine that gives up for the peer's fault tells it why.
    @Test(arguments: TestedLayers.all) func abortTellsThePeer(_ layer: Channel.Layer) throws {
        let link = try Link()
        let secrets = TestSecrets.make(.aes128GCM)
        let server = try TestSecrets.channel(layer, link.server, secrets, .server)
        let peer = RawPeer(link.client, secrets, .client)
        server.abort(.violation(.decodeError, "test"))
        let record = try #require(try peer.receive())
        #expect(record.type == 21 && record.bytes == [2, Alert.decodeError.code])
    }

    /// A file that gets shorter while it is sent: the peer sees no end that looks good, and no byte that was not in it.
    @Test(arguments: TestedLayers.pairs, [0, 1000, 16384, 500_000]) func aFileCutShort(_ layers: LayerPair, _ left: Int)
        throws
    {
        let pair = try ChannelPair(layers)
        let bytes = pattern(1 << 20)
        let file = TestFile(bytes)
        try Socket.setOption(pair.link.client.raw, SOL_SOCKET, SO_SNDBUF, 16 << 10)
        file.truncate(to: left)
        let receiver = try Running { try Receiving.untilError(of: pair.server) }
        let error = try #require(throws: ChannelError.self) {
            try pair.client.send(
                OutboundMessage(
                    head: Array("head".utf8), file: .init(file: file.descriptor, offset: 0, count: bytes.count)),
                until: .after(seconds: 20))
        }
        guard case .fileTruncated = error else { throw error }
        #expect("\(error)".contains("shorter"))
        pair.client.abort(error)
        let (received, end) = try receiver.value()
        guard case .truncated = end else {
            Issue.record("the peer saw \(end.map { "\($0)" } ?? "a good end")")
            return
        }
        #expect(received.count <= 4 + left)
        #expect((Array("head".utf8) + bytes).starts(with: received))
        #expect(throws: ChannelError.self) { try pair.client.send(OutboundMessage(head: [1])) }
    }

    @Test(arguments: TestedLayers.all) func aResetIsTheSystemsError(_ layer: Channel.Layer) throws {
        let server: Channel
        do {
            let link = try Link()
            server = try TestSecrets.channel(layer, link.server, TestSecrets.make(.aes128GCM), .server)
            setResetOnClose(link.client.raw)
        }
        let error = try #require(throws: ChannelError.self) { _ = try Receiving.bytes(1, from: server) }
        guard case .system(let reason) = error else { throw error }
        #expect(reason.errno == .connectionReset)
    }
}
