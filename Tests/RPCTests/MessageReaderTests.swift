import Glibc
import Kernel
import SecureChannel
import SystemPackage
import TestSupport
import Testing

@testable import RPC

/// Taking a stream apart, however it is cut.
@Suite struct MessageReaderTests {
    /// Notes what it is given. Messages begin with a word: 0: whole; 1: an opaque of the length in the next word follows.
    private final class Recorder: MessageHandler {
        var messages: [[UInt8]] = []
        var payloads: [(head: [UInt8], error: SystemError?)] = []
        var target: TestFile? = TestFile()
        var limit = 100_000
        var pauseAfter = Int.max
        private var head: [UInt8] = []

        var wantsPause: Bool { messages.count + payloads.count >= pauseAfter }

        func plan(_ head: UnsafeRawBufferPointer) throws(RPCError) -> MessagePlan {
            guard let kind = head.word(at: 0) else { return .needs(4) }
            guard kind == 1 else { return .whole(limit: limit) }
            guard let count = head.word(at: 4) else { return .needs(8) }
            guard count <= 1 << 20 else { throw .oversized(Int(count), limit: 1 << 20) }
            return .payload(offset: 8, count: Int(count))
        }
        func message(_ bytes: UnsafeRawBufferPointer) throws(RPCError) { messages.append(Array(bytes)) }
        func beginPayload(_ head: UnsafeRawBufferPointer, count: Int) throws(RPCError) -> PayloadTarget? {
            self.head = Array(head)
            return target.map { PayloadTarget(file: $0.descriptor, offset: 0) }
        }
        func endPayload(_ error: SystemError?) throws(RPCError) { payloads.append((head, error)) }
    }

    /// What came of a stream of bytes.
    private struct Outcome {
        let handler: Recorder
        let error: RPCError?
        let stop: MessageReader.Stop?
    }

    /// Feeds pieces one after the other, each alone on the socket, and then FIN.
    private func feed(_ pieces: [[UInt8]], to handler: Recorder = Recorder(), end: Bool = true) throws -> Outcome {
        let link = try Link()
        let reader = MessageReader(Channel.cleartext(link.server).receiver)
        do throws(RPCError) {
            for piece in pieces {
                do { try sendAll(piece, on: link.client.raw) } catch { fatalError("\(error)") }
                // What is not there yet is waited for below, but for a stream that does not end.
                if !end { #expect(link.arrived(piece.count)) }
                if try reader.run(handler) == .paused { return Outcome(handler: handler, error: nil, stop: .paused) }
            }
            guard end else {
                var stop = MessageReader.Stop.turn
                while stop == .turn { stop = try reader.run(handler) }
                return Outcome(handler: handler, error: nil, stop: stop)
            }
            shutdown(link.client.raw, Int32(SHUT_WR))
            while true {
                let stop = try reader.run(handler)
                if stop == .end { return Outcome(handler: handler, error: nil, stop: stop) }
                _ = try? Poll.wait(link.server.raw, for: Poll.readable, until: .after(seconds: 10))
            }
        } catch {
            return Outcome(handler: handler, error: error, stop: nil)
        }
    }

    private func expect(_ outcome: Outcome, messages: [[UInt8]], payload: [UInt8]? = nil) throws {
        #expect(outcome.error == nil, "\(outcome.error.map { "\($0)" } ?? "")")
        #expect(outcome.stop == .end)
        #expect(outcome.handler.messages == messages)
        guard let payload else {
            #expect(outcome.handler.payloads.isEmpty)
            return
        }
        #expect(outcome.handler.payloads.count == 1)
        #expect(outcome.handler.payloads.first?.error == nil)
        #expect(outcome.handler.payloads.first?.head == words(1, UInt32(payload.count)))
        if let target = outcome.handler.target { #expect(try target.contents == payload) }
    }

    private let small = words(0) + pattern(20)
    private func withPayload(_ payload: [UInt8]) -> [UInt8] {
        words(1, UInt32(payload.count)) + payload + [UInt8](repeating: 0, count: (4 - payload.count % 4) % 4)
    }

    /// A stream of three messages cut in two at every byte.
    @Test func everySplit() throws {
        let payload = pattern(37)
        let stream = marked(small) + marked(withPayload(payload)) + marked(words(0, 5))
        for cut in 0...stream.count {
            try expect(
                feed([Array(stream.prefix(cut)), Array(stream.dropFirst(cut))]), messages: [small, words(0, 5)],
                payload: payload)
        }
    }

    @Test func aByteAtATime() throws {
        let payload = pattern(13)
        let stream = marked(small) + marked(withPayload(payload))
        try expect(feed(stream.map { [$0] }), messages: [small], payload: payload)
    }

    /// Fragments of every size, empty ones among them.
    @Test func everyFragmentSize() throws {
        let payload = pattern(50)
        let message = withPayload(payload)
        for size in 1...message.count {
            let stream =
                marked(message, fragments: [Int](repeating: size, count: 100))
                + marked(small, fragments: [size, 0, size])
            try expect(feed([stream]), messages: [small], payload: payload)
        }
        try expect(feed([marked(small, fragments: [0, 0, 0])]), messages: [small])
        // An empty last fragment.
        try expect(feed([words(UInt32(small.count)) + small + words(0x8000_0000)]), messages: [small])
        try expect(
            feed([words(UInt32(message.count)) + message + words(0x8000_0000)]), messages: [], payload: payload)
    }

    /// Sizes of payloads around what is read at first and what fits a record.
    @Test(arguments: [0, 1, 2, 3, 4, 151, 152, 153, 1000, 1012, 1016, 1020, 16383, 16384, 100_000, 1 << 20])
    func payloadSizes(_ size: Int) throws {
        let payload = pattern(size)
        let link = try Link()
        let stream = marked(withPayload(payload)) + marked(small) + marked(withPayload(payload))
        let handler = Recorder()
        let reader = MessageReader(Channel.cleartext(link.server).receiver)
        let sender = try Running {
            try sendAll(stream, on: link.client.raw)
            shutdown(link.client.raw, Int32(SHUT_WR))
        }
        while try reader.run(handler) != .end {
            #expect(try Poll.wait(link.server.raw, for: Poll.readable, until: .after(seconds: 10)) != 0)
        }
        try sender.value()
        #expect(handler.messages == [small] && handler.payloads.count == 2)
        #expect(handler.payloads.allSatisfy { $0.head == words(1, UInt32(size)) && $0.error == nil })
        #expect(try handler.target?.contents == payload)
    }

    /// The same through both record layers.
    @Test(arguments: TestedLayers.all) func throughRecords(_ layer: Channel.Layer) throws {
        let pair = try ChannelPair(.user, layer)
        let payload = pattern(70_001)
        let handler = Recorder()
        let reader = MessageReader(pair.server.receiver)
        let sender = try Running {
            for _ in 0..<10 {
                try pair.client.send(
                    OutboundMessage(head: marked(withPayload(payload)) + marked(words(0, 3))),
                    until: .after(seconds: 20))
            }
            pair.client.close(until: .after(seconds: 5))
        }
        while try reader.run(handler) != .end {
            #expect(try Poll.wait(pair.server.socket.raw, for: Poll.readable, until: .after(seconds: 10)) != 0)
        }
        try sender.value()
        #expect(handler.payloads.count == 10 && handler.messages == [[UInt8]](repeating: words(0, 3), count: 10))
        #expect(try handler.target?.contents == payload)
    }

    @Test func aPayloadNobodyWants() throws {
        let handler = Recorder()
        handler.target = nil
        try expect(
            feed([marked(withPayload(pattern(5000))) + marked(small)], to: handler), messages: [small],
            payload: pattern(5000))
    }

    @Test func aFileThatFailsIsTold() throws {
        let handler = Recorder()
        let readOnly = try Files.open("/dev/zero", O_RDONLY)
        handler.target = nil
        let link = try Link()
        final class ToFile: MessageHandler {
            let file: SharedDescriptor
            var errors: [SystemError?] = []
            var messages = 0
            init(_ file: SharedDescriptor) { self.file = file }
            var wantsPause: Bool { false }
            func plan(_ head: UnsafeRawBufferPointer) throws(RPCError) -> MessagePlan {
                head.word(at: 0) == 1 ? .payload(offset: 8, count: 3000) : .whole(limit: 100)
            }
            func message(_ bytes: UnsafeRawBufferPointer) throws(RPCError) { messages += 1 }
            func beginPayload(_ head: UnsafeRawBufferPointer, count: Int) throws(RPCError) -> PayloadTarget? {
                PayloadTarget(file: file, offset: 0)
            }
            func endPayload(_ error: SystemError?) throws(RPCError) { errors.append(error) }
        }
        let toFile = ToFile(SharedDescriptor(try readOnly.duplicate()))
        let reader = MessageReader(Channel.cleartext(link.server).receiver)
        try sendAll(marked(withPayload(pattern(3000))) + marked(small), on: link.client.raw)
        shutdown(link.client.raw, Int32(SHUT_WR))
        while try reader.run(toFile) != .end {
            _ = try Poll.wait(link.server.raw, for: Poll.readable, until: .after(seconds: 10))
        }
        #expect(toFile.errors.count == 1 && toFile.errors[0]?.errno == .badFileDescriptor && toFile.messages == 1)
    }

    /// The stream ends at each byte of a message: truncation everywhere but between messages.
    @Test func truncatedAtEveryByte() throws {
        let stream = marked(withPayload(pattern(30)), fragments: [10, 5])
        for count in 0...stream.count {
            let outcome = try feed([Array(stream.prefix(count))])
            if count == 0 || count == stream.count {
                #expect(outcome.stop == .end)
            } else {
                guard case .channel(.truncated) = outcome.error else {
                    Issue.record("after \(count) bytes: \(outcome.error.map { "\($0)" } ?? "no error")")
                    continue
                }
                #expect(outcome.handler.payloads.isEmpty && outcome.handler.messages.isEmpty)
            }
        }
    }

    /// A length on the wire is checked before anything is made of it.
    @Test func oversizedMessages() throws {
        for stream in [
            words(0x8000_0000 | 100_001, 0) + pattern(200), words(0xffff_ffff, 0) + pattern(200),
            words(0x7fff_ffff, 0) + pattern(200),
            words(50_000) + words(0) + pattern(49_996) + words(50_001),
        ] {
            let outcome = try feed([stream], end: false)
            guard case .oversized(let count, 100_000) = outcome.error else {
                Issue.record("\(outcome.error.map { "\($0)" } ?? "no error")")
                continue
            }
            #expect(count > 100_000 && outcome.handler.messages.isEmpty)
        }
    }

    /// Fragments of a byte, thousands of them, with as many empty ones as are taken, in memory and in a payload.
    @Test func thousandsOfFragments() throws {
        let payload = pattern(20_000)
        let long = words(0) + pattern(20_000)
        let sizes = [Int](repeating: 0, count: 4096) + [Int](repeating: 1, count: 30_000)
        let stream = marked(withPayload(payload), fragments: sizes) + marked(long, fragments: sizes) + marked(small)
        try expect(feed([stream]), messages: [long, small], payload: payload)
    }

    /// A message in very many pieces leaves others their turn.
    @Test func aTurn() throws {
        let link = try Link()
        let stream = marked(words(0) + pattern(3000), fragments: [Int](repeating: 1, count: 4000))
        try sendAll(stream, on: link.client.raw)
        #expect(link.arrived(stream.count))
        let reader = MessageReader(Channel.cleartext(link.server).receiver)
        let handler = Recorder()
        var turns = 0
        while handler.messages.isEmpty {
            let stop = try reader.run(handler)
            try #require(stop == .turn || !handler.messages.isEmpty)
            turns += 1
        }
        #expect(turns > 1)
    }

    @Test func tooManyEmptyFragments() throws {
        let outcome = try feed([[UInt8](repeating: 0, count: 40_000)], end: false)
        guard case .malformed(let reason) = outcome.error else {
            Issue.record("\(outcome.error.map { "\($0)" } ?? "no error")")
            return
        }
        #expect(reason.contains("empty fragments"))
    }

    /// A payload longer than its message is nobody's payload: the message is read to its end and handed over whole.
    @Test func aPayloadThatPromisesMoreThanItsMessage() throws {
        let lying = words(1, 1000) + pattern(100)
        try expect(feed([marked(lying) + marked(small)]), messages: [lying, small])
        // Where fragments hide its end, it is an error at the end.
        let outcome = try feed([marked(words(1, 1000) + pattern(300), fragments: [200])])
        #expect(outcome.error != nil && outcome.handler.payloads.isEmpty)
    }

    @Test func bytesBehindAPayload() throws {
        let outcome = try feed([marked(withPayload(pattern(1000)) + words(1, 2, 3))])
        guard case .malformed = outcome.error else {
            Issue.record("\(outcome.error.map { "\($0)" } ?? "no error")")
            return
        }
    }

    @Test func messagesShorterThanTheirHeads() throws {
        for length in 0..<4 {
            try expect(
                feed([marked([UInt8](repeating: 0, count: length))]), messages: [[UInt8](repeating: 0, count: length)])
        }
    }

    @Test func aPauseIsKept() throws {
        let handler = Recorder()
        handler.pauseAfter = 2
        let outcome = try feed([marked(small) + marked(small) + marked(small)], to: handler)
        #expect(outcome.stop == .paused && handler.messages.count == 2)
    }

    @Test func randomStreamsEndWell() throws {
        for seed in 1...60 {
            // Whatever it is: a result or an error, no trap and no hang.
            let outcome = try feed([pattern(300, seed: UInt64(seed))])
            #expect(outcome.error != nil || outcome.stop == .end)
            // And with marks that promise little, so that the messages are looked at.
            _ = try feed([marked(pattern(200, seed: UInt64(seed))), marked(words(1) + pattern(96, seed: UInt64(seed)))])
        }
    }
}
