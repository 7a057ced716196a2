import Glibc
import Kernel
import SecureChannel
import SystemPackage
import TestSupport
import Testing

/// Records as a peer may make them and as it may not: RFC 8446 section 5.
@Suite struct RecordTests {
    static let cases = TestedLayers.all.flatMap { layer in CipherSuite.allCases.map { (layer, $0) } }

    /// One end under test and a peer that sends whatever it is told to.
    private struct Bench {
        let channel: Channel
        let peer: RawPeer

        init(_ layer: Channel.Layer, _ suite: CipherSuite = .aes128GCM) throws {
            let link = try Link()
            let secrets = TestSecrets.make(suite)
            channel = try TestSecrets.channel(layer, link.server, secrets, .server)
            peer = RawPeer(link.client, secrets, .client)
        }

        /// One whose peer's bytes wait where they are received, however many they are: by the user layer.
        init(holding bytes: Int) throws {
            let ends = try Socket.pair()
            let near = Descriptor(takingOwnershipOf: ends.0)
            let far = Descriptor(takingOwnershipOf: ends.1)
            try near.setNonblocking(true)
            // socket(7): twice as much, for what the kernel itself needs
            try Socket.setOption(far.raw, SOL_SOCKET, SO_SNDBUFFORCE, Int32(bytes))
            let secrets = TestSecrets.make(.aes128GCM)
            channel = try TestSecrets.channel(.user, SharedDescriptor(near), secrets, .server)
            peer = RawPeer(SharedDescriptor(far), secrets, .client)
        }

        /// Bytes that were sent and not received.
        var waiting: Int { bytesWaiting(in: channel.socket.raw) }

        /// What the receiver says of what was sent.
        func violation(after good: [UInt8] = []) throws -> (Alert, String) {
            let (bytes, error) = try Receiving.untilError(of: channel)
            #expect(bytes == good)
            guard case .violation(let alert, let reason) = error else {
                throw try #require(error, "the stream ended well")
            }
            return (alert, reason)
        }
    }

    @Test(arguments: cases) func goodRecords(_ layer: Channel.Layer, _ suite: CipherSuite) throws {
        let bench = try Bench(layer, suite)
        var expected: [UInt8] = []
        for (size, padding) in [(1, 0), (10, 1), (3, 200), (16384, 0), (16000, 384), (5, 16379), (1, 0)] {
            let bytes = pattern(size, seed: UInt64(size))
            expected += bytes
            try bench.peer.sendRecord(bytes, padding: padding)
        }
        try bench.peer.sendRecord([1, 0], type: 21)
        #expect(try Receiving.untilEnd(of: bench.channel) == expected)
    }

    /// And the other way: what the layer makes opens under code that is not its own.
    @Test(arguments: cases) func madeRecords(_ layer: Channel.Layer, _ suite: CipherSuite) throws {
        let bench = try Bench(layer, suite)
        let bytes = pattern(50_000)
        let sender = try Running {
            try bench.channel.send(OutboundMessage(head: bytes), until: .after(seconds: 20))
            bench.channel.close(until: .after(seconds: 5))
        }
        var received: [UInt8] = []
        while let (type, part) = try bench.peer.receive() {
            if type == 21 {
                #expect(part == [1, 0])
                break
            }
            #expect(type == 23 && part.count <= 16384)
            received += part
        }
        try sender.value()
        #expect(received == bytes)
    }

    /// Records without content are allowed, and mean nothing; there may be many.
    @Test(arguments: TestedLayers.all, [true, false]) func emptyRecords(_ layer: Channel.Layer, _ toFile: Bool) throws {
        let bench = try Bench(layer)
        for round in 0..<20 {
            try bench.peer.sendRecord([], padding: round * 10)
            if round % 5 == 4 { try bench.peer.sendRecord([UInt8(round)]) }
        }
        try bench.peer.sendRecord([])
        try bench.peer.sendRecord([1, 0], type: 21)
        let expected: [UInt8] = [4, 9, 14, 19]
        if toFile {
            let file = TestFile()
            #expect(try Receiving.file(5, from: bench.channel, to: file.raw).ended)
            #expect(try file.contents == expected)
        } else {
            #expect(try Receiving.untilEnd(of: bench.channel) == expected)
        }
    }

    /// More of them at once than one pwritev(2) takes pieces.
    @Test(arguments: TestedLayers.all, [true, false]) func tinyRecords(_ layer: Channel.Layer, _ toFile: Bool) throws {
        let bench = try Bench(layer)
        let expected = pattern(4501)
        // All of it has its place in the sockets, so that it is there when the first of it is received.
        try bench.peer.send(
            stride(from: 0, to: expected.count, by: 3).flatMap { start in
                bench.peer.record(Array(expected[start..<min(start + 3, expected.count)]))
            })
        if toFile {
            let file = TestFile()
            #expect(try !Receiving.file(expected.count, from: bench.channel, to: file.raw).ended)
            #expect(try file.contents == expected)
        } else {
            #expect(try Receiving.bytes(expected.count, from: bench.channel) == expected)
        }
    }

    /// While another thread writes to the file, what comes is taken in, in more than one block, and all of it is written
    /// afterwards; what is wrong behind it is told behind it.
    @Test(
        .enabled(if: TestedLayers.lab == nil, "nothing in it depends on who makes the records; not in the kTLS lab"),
        .enabled(if: geteuid() == 0, "only root may have a socket hold as much as this needs"),
        arguments: [16_384, 5000], [true, false])
    func anotherOnesTurn(_ size: Int, _ isBroken: Bool) throws {
        let expected = pattern(RecordBlock.size * 7 / 4)
        let bench = try Bench(holding: expected.count * 2)
        var records = stride(from: 0, to: expected.count, by: size).flatMap { start in
            bench.peer.record(Array(expected[start..<min(start + size, expected.count)]))
        }
        if isBroken { records += [23, 3, 3, 0, 40] + pattern(40) }
        try bench.peer.send(records)
        try #require(bench.waiting == records.count)

        let file = TestFile()
        let (isHeld, isOver) = (Condition(false), Condition(false))
        let turn = try Running {
            WriteTurns.take(file.raw, expected.count) {
                isHeld.withLock(wake: true) { $0 = true }
                _ = isOver.wait(until: .after(seconds: 30)) { $0 ? true : nil }
            }
        }
        try #require(isHeld.wait(until: .after(seconds: 10)) { $0 ? true : nil } != nil)
        let receiving = try Running { try Receiving.file(expected.count, from: bench.channel, to: file.raw) }
        #expect(eventually { bench.waiting == 0 }, "it did not go on receiving")
        #expect(try file.contents.isEmpty)
        isOver.withLock(wake: true) { $0 = true }
        try turn.value()
        let outcome = try receiving.value()
        #expect(outcome.bytes == expected.count && outcome.failures.isEmpty)
        #expect(try file.contents == expected)
        if isBroken {
            #expect(try bench.violation().0 == .badRecordMAC)
        } else {
            try bench.peer.sendRecord([7])
            #expect(try Receiving.bytes(1, from: bench.channel) == [7])
        }
    }

    /// An empty record alone on the socket is no end.
    @Test(arguments: TestedLayers.all) func anEmptyRecordAlone(_ layer: Channel.Layer) throws {
        let bench = try Bench(layer)
        try bench.peer.sendRecord([])
        _ = try Poll.wait(bench.channel.socket.raw, for: Poll.readable, until: .after(seconds: 5))
        var space = [UInt8](repeating: 0, count: 100)
        let received = try space.withUnsafeMutableBytes { try bench.channel.receiver.receive(into: $0) }
        guard case .blocked = received else {
            Issue.record("\(received)")
            return
        }
        let file = TestFile()
        try bench.peer.sendRecord([])
        _ = try Poll.wait(bench.channel.socket.raw, for: Poll.readable, until: .after(seconds: 5))
        let toFile = try bench.channel.receiver.receive(100, to: file.raw, at: 0)
        guard case .blocked = toFile else {
            Issue.record("\(toFile)")
            return
        }
        try bench.peer.sendRecord([7])
        #expect(try Receiving.bytes(1, from: bench.channel) == [7])
    }

    @Test(arguments: TestedLayers.all, [5, 6, 20, 30]) func tamperedRecords(_ layer: Channel.Layer, _ index: Int) throws
    {
        let bench = try Bench(layer)
        try bench.peer.sendRecord([1, 2, 3])
        var record = bench.peer.record(pattern(20))
        record[index] ^= 0x10
        try bench.peer.send(record)
        let (alert, reason) = try bench.violation(after: [1, 2, 3])
        #expect(alert == .badRecordMAC && reason.contains("not sealed with this connection's key"))
    }

    /// The same where the bytes go to a file: nothing of the bad record does.
    @Test(arguments: TestedLayers.all) func tamperedRecordsOnTheirWayToAFile(_ layer: Channel.Layer) throws {
        let bench = try Bench(layer)
        try bench.peer.sendRecord([1, 2, 3])
        var record = bench.peer.record(pattern(20))
        record[9] ^= 1
        try bench.peer.send(record)
        let file = TestFile()
        let error = try #require(throws: ChannelError.self) {
            _ = try Receiving.file(100, from: bench.channel, to: file.raw)
        }
        guard case .violation(.badRecordMAC, _) = error else { throw error }
        #expect(try file.contents == [1, 2, 3])
    }

    /// A record twice: its sequence number has gone by.
    @Test(arguments: TestedLayers.all) func replayedRecords(_ layer: Channel.Layer) throws {
        let bench = try Bench(layer)
        let record = bench.peer.record([1, 2, 3])
        try bench.peer.send(record + record)
        #expect(try bench.violation(after: [1, 2, 3]).0 == .badRecordMAC)
    }

    /// Two records in the wrong order.
    @Test(arguments: TestedLayers.all) func reorderedRecords(_ layer: Channel.Layer) throws {
        let bench = try Bench(layer)
        let first = bench.peer.record([1])
        try bench.peer.send(bench.peer.record([2]) + first)
        #expect(try bench.violation().0 == .badRecordMAC)
    }

    @Test(arguments: TestedLayers.all, [16641, 20000, 65535]) func oversizedRecords(
        _ layer: Channel.Layer, _ length: Int
    ) throws {
        let bench = try Bench(layer)
        try bench.peer.sendRecord([5])
        try bench.peer.send([23, 3, 3, UInt8(length >> 8), UInt8(length & 0xff)])
        // So many bytes are not there and need not come.
        let (alert, reason) = try bench.violation(after: [5])
        #expect(alert == .recordOverflow && reason.contains("record"))
    }

    /// One byte of plaintext more than there may be, in a record that is not too long with its padding.
    @Test func tooMuchPlaintext() throws {
        let bench = try Bench(.user)
        try bench.peer.send(bench.peer.seal(inner: pattern(16385) + [23]))
        let (alert, reason) = try bench.violation()
        #expect(alert == .recordOverflow && reason.contains("16385"))
    }

    @Test(arguments: TestedLayers.all, [20, 21, 22, 24, 72, 0] as [UInt8]) func cleartextRecords(
        _ layer: Channel.Layer, _ type: UInt8
    ) throws {
        let bench = try Bench(layer)
        try bench.peer.send([type, 3, 3, 0, 20] + pattern(20))
        let (_, error) = try Receiving.untilError(of: bench.channel)
        if layer == .user {
            guard case .violation(.unexpectedMessage, let reason) = error else { throw try #require(error) }
            #expect(reason.contains("type \(type)"))
        } else {
            // The kernel tries to open it, and says what it says; but it is never taken.
            #expect(error != nil)
        }
    }

    @Test(arguments: TestedLayers.all, [20, 24, 255] as [UInt8]) func protectedRecordsOfOtherTypes(
        _ layer: Channel.Layer, _ type: UInt8
    ) throws {
        let bench = try Bench(layer)
        try bench.peer.sendRecord([1], type: type)
        let (alert, reason) = try bench.violation()
        #expect(alert == .unexpectedMessage && reason.contains("type \(type)"))
    }

    @Test(arguments: TestedLayers.all) func shortRecords(_ layer: Channel.Layer) throws {
        for length in [0, 1, 15, 16] {
            let bench = try Bench(layer)
            try bench.peer.send(
                [23, 3, 3, 0, UInt8(length)] + [UInt8](repeating: 0, count: length) + [23, 3, 3, 0, 30] + pattern(30))
            let (bytes, error) = try Receiving.untilError(of: bench.channel)
            #expect(bytes.isEmpty)
            guard case .violation = error else {
                Issue.record("\(length): \(error.map { "\($0)" } ?? "a good end")")
                continue
            }
        }
    }

    /// Zeros alone: there is no content type among them.
    @Test(arguments: TestedLayers.all) func recordsOfZeros(_ layer: Channel.Layer) throws {
        let bench = try Bench(layer)
        try bench.peer.send(bench.peer.seal(inner: [UInt8](repeating: 0, count: 50)))
        #expect(try bench.violation().0 != .closeNotify)
    }

    @Test(arguments: TestedLayers.all) func malformedAlerts(_ layer: Channel.Layer) throws {
        let bench = try Bench(layer)
        try bench.peer.sendRecord([1, 0, 0], type: 21)
        #expect(try bench.violation().0 == .decodeError)
    }

    @Test(arguments: TestedLayers.all) func randomBytes(_ layer: Channel.Layer) throws {
        for seed in 1...10 {
            let bench = try Bench(layer)
            try bench.peer.send(pattern(4000, seed: UInt64(seed)))
            bench.peer.cut()
            let (bytes, error) = try Receiving.untilError(of: bench.channel)
            #expect(bytes.isEmpty && error != nil)
        }
    }

    // MARK: Handshake messages behind the handshake

    static func ticket(_ count: Int) -> [UInt8] { [4, 0, UInt8(count >> 8), UInt8(count & 0xff)] + pattern(count) }

    /// Tickets of a foreign server right after its handshake: "the 478 bytes".
    @Test(arguments: TestedLayers.all, [true, false]) func tickets(_ layer: Channel.Layer, _ toFile: Bool) throws {
        let bench = try Bench(layer)
        try bench.peer.sendRecord(Self.ticket(235), type: 22)
        try bench.peer.sendRecord(Self.ticket(235), type: 22)
        try bench.peer.sendRecord(Self.ticket(100) + Self.ticket(20), type: 22)
        try bench.peer.sendRecord(Array("data".utf8))
        try bench.peer.sendRecord(Self.ticket(235), type: 22)
        try bench.peer.sendRecord(Array("more".utf8))
        if toFile {
            let file = TestFile()
            #expect(try Receiving.file(8, from: bench.channel, to: file.raw).failures.isEmpty)
            #expect(try file.contents == Array("datamore".utf8))
        } else {
            #expect(try Receiving.bytes(8, from: bench.channel, chunk: 3) == Array("datamore".utf8))
        }
    }

    /// One message over many records, down to a byte each.
    @Test(arguments: TestedLayers.all) func fragmentedMessages(_ layer: Channel.Layer) throws {
        let bench = try Bench(layer)
        for byte in Self.ticket(30) { try bench.peer.sendRecord([byte], type: 22) }
        let two = Self.ticket(30) + Self.ticket(40)
        try bench.peer.sendRecord(Array(two.prefix(50)), type: 22)
        try bench.peer.sendRecord(Array(two.dropFirst(50)), type: 22)
        try bench.peer.sendRecord([42])
        #expect(try Receiving.bytes(1, from: bench.channel) == [42])
    }

    @Test(arguments: TestedLayers.all) func dataInsideAMessage(_ layer: Channel.Layer) throws {
        let bench = try Bench(layer)
        try bench.peer.sendRecord(Array(Self.ticket(30).prefix(10)), type: 22)
        try bench.peer.sendRecord([1])
        #expect(try bench.violation().0 == .unexpectedMessage)
    }

    @Test(arguments: TestedLayers.all) func messagesThatHaveNoPlaceHere(_ layer: Channel.Layer) throws {
        for (message, alert) in [
            ([1, 0, 0, 0], Alert.unexpectedMessage), ([13, 0, 0, 1, 0], .unexpectedMessage),
            ([4, 255, 255, 255], .decodeError),
            ([24, 0, 0, 2, 0, 0], .decodeError), ([24, 0, 0, 1, 2], .decodeError), ([24, 0, 0, 0], .decodeError),
        ] as [([UInt8], Alert)] {
            let bench = try Bench(layer)
            try bench.peer.sendRecord(message, type: 22)
            #expect(try bench.violation().0 == alert, "\(message)")
        }
    }

    // MARK: Files that fail

    /// A full disk is the file's error and not the stream's: what follows is read as before.
    @Test(arguments: TestedLayers.pairs) func aFullDisk(_ layers: LayerPair) throws {
        let pair = try ChannelPair(layers)
        let full = try Files.open("/dev/full", O_WRONLY)
        let bytes = pattern(100_000)
        let sender = try Running {
            try pair.client.send(OutboundMessage(head: bytes), until: .after(seconds: 20))
            try pair.client.send(OutboundMessage(head: Array("next".utf8)), until: .after(seconds: 20))
        }
        let outcome = try Receiving.file(bytes.count, from: pair.server, to: full.raw)
        #expect(outcome.bytes == bytes.count && !outcome.failures.isEmpty)
        #expect(try Receiving.bytes(4, from: pair.server) == Array("next".utf8))
        try sender.value()
    }

    /// A file that may not grow (RLIMIT_FSIZE and the like give EFBIG; a descriptor without write access EBADF).
    @Test(arguments: TestedLayers.all) func aFileThatCannotBeWritten(_ layer: Channel.Layer) throws {
        let pair = try ChannelPair(.user, layer)
        let file = try Files.open("/dev/zero", O_RDONLY)
        try pair.client.send(OutboundMessage(head: pattern(1000)))
        try pair.client.send(OutboundMessage(head: [8]))
        let outcome = try Receiving.file(1000, from: pair.server, to: file.raw)
        #expect(outcome.bytes == 1000 && outcome.failures.first?.errno == .badFileDescriptor)
        #expect(try Receiving.bytes(1, from: pair.server) == [8])
    }
}
