import Glibc
import Kernel
import SecureChannel
import SystemPackage
import TestSupport
import Testing

/// Bytes and files from one end to the other, whoever makes the records.
@Suite struct TransferTests {
    static let cases = TestedLayers.pairs.flatMap { pair in CipherSuite.allCases.map { (pair, $0) } }
    static let sizes = [0, 1, 2, 3, 4, 5, 160, 1023, 16383, 16384, 16385, 32768, 65535, 262_144, 262_145, 1 << 20]

    @Test(arguments: cases) func messagesOfManySizes(_ layers: LayerPair, _ suite: CipherSuite) throws {
        let pair = try ChannelPair(layers, suite: suite)
        for (index, size) in Self.sizes.enumerated() {
            let sent = pattern(size, seed: UInt64(index))
            // Both directions have keys of their own.
            for (from, to) in [(pair.client, pair.server), (pair.server, pair.client)] {
                let receiver = try Running { try Receiving.bytes(size, from: to) }
                try from.send(OutboundMessage(head: sent), until: .after(seconds: 20))
                #expect(try receiver.value() == sent, "\(size) bytes")
            }
        }
    }

    /// Head, a range of a file, XDR's padding: in the order and from the place they should be.
    @Test(arguments: cases) func fileRanges(_ layers: LayerPair, _ suite: CipherSuite) throws {
        let pair = try ChannelPair(layers, suite: suite)
        let bytes = pattern(600_000)
        let file = TestFile(bytes)
        for (head, offset, count) in [
            (4, 0, 1), (0, 5, 3), (120, 1, 16384), (16384, 4095, 16385), (1, 599_999, 1), (100, 0, 600_000), (7, 77, 0),
            (20, 12_345, 400_002),
        ] {
            let message = OutboundMessage(
                head: pattern(head, seed: 9), file: .init(file: file.descriptor, offset: UInt64(offset), count: count))
            let padding = (4 - count % 4) % 4
            #expect(message.count == head + count + padding)
            let receiver = try Running { try Receiving.bytes(message.count, from: pair.server) }
            try pair.client.send(message, until: .after(seconds: 20))
            let expected =
                pattern(head, seed: 9) + bytes[offset..<offset + count] + [UInt8](repeating: 0, count: padding)
            #expect(try receiver.value() == expected, "\(head) \(offset) \(count)")
        }
    }

    /// A header to memory, the rest to a file at an offset, then the next message: not a byte too many or too few.
    @Test(arguments: cases) func receivingIntoAFile(_ layers: LayerPair, _ suite: CipherSuite) throws {
        let pair = try ChannelPair(layers, suite: suite)
        let bytes = pattern(300_001)
        let source = TestFile(bytes)
        let sender = try Running {
            for index in 0..<4 {
                try pair.client.send(
                    OutboundMessage(
                        head: pattern(116, seed: UInt64(index)),
                        file: .init(file: source.descriptor, offset: 0, count: bytes.count)), until: .after(seconds: 20)
                )
            }
        }
        for index in 0..<4 {
            let target = TestFile()
            #expect(try Receiving.bytes(116, from: pair.server, chunk: 40) == pattern(116, seed: UInt64(index)))
            let outcome = try Receiving.file(bytes.count, from: pair.server, to: target.raw, at: 1000)
            #expect(outcome.bytes == bytes.count && outcome.failures.isEmpty)
            #expect(try target.contents == [UInt8](repeating: 0, count: 1000) + bytes)
            #expect(try Receiving.bytes(3, from: pair.server) == [0, 0, 0])
        }
        try sender.value()
    }

    /// Large data both ways at once, through buffers far smaller than it: neither direction waits for the other.
    @Test(arguments: TestedLayers.pairs) func bothDirectionsAtOnce(_ layers: LayerPair) throws {
        let total = layers.client == .user && layers.server == .user ? 64 << 20 : 4 << 20
        let pair = try ChannelPair(layers)
        for socket in [pair.link.client.raw, pair.link.server.raw] {
            try Socket.setOption(socket, SOL_SOCKET, SO_SNDBUF, 32 << 10)
            try Socket.setOption(socket, SOL_SOCKET, SO_RCVBUF, 32 << 10)
        }
        let chunk = 1 << 20
        let bytes = pattern(chunk)
        let file = TestFile(bytes)
        var work: [Running<Bool>] = []
        for (from, to) in [(pair.client, pair.server), (pair.server, pair.client)] {
            work.append(
                try Running {
                    for _ in 0..<total / chunk {
                        try from.send(
                            OutboundMessage(head: [], file: .init(file: file.descriptor, offset: 0, count: chunk)),
                            until: .after(seconds: 60))
                    }
                    return true
                })
            work.append(
                try Running {
                    var place = 0
                    var same = true
                    let count = try Receiving.each(of: total, from: to) { part in
                        var done = 0
                        while done < part.count {
                            let at = (place + done) % chunk
                            let step = min(part.count - done, chunk - at)
                            same = same && isSame(part, done, bytes, at, step)
                            done += step
                        }
                        place += part.count
                    }
                    return same && count == total
                })
        }
        for one in work { #expect(try one.value(within: 120)) }
    }

    /// memcmp(3): Swift's own comparison takes minutes for this much in a debug build.
    private func isSame(_ a: UnsafeRawBufferPointer, _ from: Int, _ b: [UInt8], _ at: Int, _ count: Int) -> Bool {
        b.withUnsafeBytes { b in
            guard let a = a.baseAddress, let b = b.baseAddress else { return count == 0 }
            return memcmp(a + from, b + at, count) == 0
        }
    }

    /// Small send buffers had sendfile over kernel TLS stall once (nginx-devel, October 2021).
    @Test(arguments: TestedLayers.all, [4, 8, 16, 24, 32]) func smallSendBuffers(
        _ layer: Channel.Layer, _ kilobytes: Int32
    ) throws {
        let pair = try ChannelPair(layer, .user)
        try Socket.setOption(pair.link.client.raw, SOL_SOCKET, SO_SNDBUF, kilobytes << 10)
        let bytes = pattern(2 << 20)
        let file = TestFile(bytes)
        let head = pattern(128, seed: 3)
        let receiver = try Running { try Receiving.bytes(head.count + bytes.count + 2, from: pair.server) }
        try pair.client.send(
            OutboundMessage(head: head, file: .init(file: file.descriptor, offset: 0, count: bytes.count)),
            until: .after(seconds: 30))
        try pair.client.send(OutboundMessage(head: [1, 2]), until: .after(seconds: 30))
        #expect(try receiver.value() == head + bytes + [1, 2])
    }

    /// A reader that is slower than the sender, and one that takes a byte at a time.
    @Test(arguments: TestedLayers.pairs) func slowReader(_ layers: LayerPair) throws {
        let pair = try ChannelPair(layers)
        let bytes = pattern(40_000)
        try pair.client.send(OutboundMessage(head: bytes), until: .after(seconds: 20))
        #expect(try Receiving.bytes(2_000, from: pair.server, chunk: 1) == Array(bytes.prefix(2_000)))
        #expect(try Receiving.bytes(38_000, from: pair.server, chunk: 4099) == Array(bytes.dropFirst(2_000)))
    }

    /// Many messages of several threads: each arrives whole.
    @Test(arguments: TestedLayers.pairs) func manySenders(_ layers: LayerPair) throws {
        let pair = try ChannelPair(layers)
        let senders = try (0..<4).map { index in
            try Running {
                for _ in 0..<50 {
                    // Who is not the flusher leaves its message to who is.
                    try pair.client.send(
                        OutboundMessage(head: [UInt8](repeating: UInt8(index), count: 1000)), until: .after(seconds: 20)
                    )
                }
            }
        }
        var counts = [0, 0, 0, 0]
        for _ in 0..<200 {
            let message = try Receiving.bytes(1000, from: pair.server)
            #expect(message.count == 1000 && message.allSatisfy { $0 == message[0] })
            counts[Int(message[0])] += 1
        }
        #expect(counts == [50, 50, 50, 50])
        for sender in senders { try sender.value() }
    }

    @Test(arguments: TestedLayers.all) func aSendHasADeadline(_ layer: Channel.Layer) throws {
        let pair = try ChannelPair(layer, .user)
        let error = try #require(throws: ChannelError.self) {
            // Nobody reads: the buffers fill up.
            while true { try pair.client.send(OutboundMessage(head: pattern(1 << 20)), until: .after(seconds: 0.2)) }
        }
        guard case .system(let reason) = error else { throw error }
        #expect(reason.errno == .timedOut)
        #expect(throws: ChannelError.self) { try pair.client.send(OutboundMessage(head: [1])) }
    }
}
