import Glibc
import Kernel
import SecureChannel
import SystemPackage
import TestSupport
import Testing

@testable import RPC

/// Calls in flight against a server that is made of raw bytes.
@Suite struct ClientTests {
    /// A client, and the server's end of its connection.
    private struct Bench {
        let client: Client
        let link: Link

        init(patience: Double = 20) throws {
            link = try Link()
            client = try Client(.cleartext(link.client), patience: patience, credential: .none)
        }

        func nextCall() throws -> (xid: UInt32, bytes: [UInt8]) {
            let bytes = try #require(try receiveMessage(on: link.server.raw))
            return (try #require(word(bytes, 0)), bytes)
        }

        func reply(_ xid: UInt32, _ results: [UInt8], status: UInt32 = 0) throws {
            try sendAll(marked(words(xid, 1, 0, 0, 0, status) + results), on: link.server.raw)
        }
    }

    @Test func repliesInAnyOrder() throws {
        let bench = try Bench()
        defer { bench.client.close() }
        let calls = (0..<20).map { bench.client.make(1, words(UInt32($0))) }
        var asked: [(xid: UInt32, number: UInt32)] = []
        for _ in calls {
            let (xid, bytes) = try bench.nextCall()
            asked.append((xid, try #require(word(bytes, 10))))
        }
        for (xid, number) in asked.reversed() { try bench.reply(xid, words(number + 100)) }
        for (index, call) in calls.enumerated() { #expect(try call.reply().results == words(UInt32(index) + 100)) }
    }

    @Test func aReplyNobodyWaitsForIsIgnored() throws {
        let bench = try Bench()
        defer { bench.client.close() }
        let call = bench.client.make(1)
        let (xid, _) = try bench.nextCall()
        try bench.reply(xid &+ 1000, words(1))
        try bench.reply(xid, words(2))
        try bench.reply(xid, words(3))
        #expect(try call.reply().results == words(2))
        let second = bench.client.make(1)
        try bench.reply(try bench.nextCall().xid, words(4))
        #expect(try second.reply().results == words(4))
    }

    @Test func refusals() throws {
        let bench = try Bench()
        defer { bench.client.close() }
        for (body, expected) in [
            (words(1, 0, 0, 0, 1), .programUnavailable(testProgram)),
            (words(1, 0, 0, 0, 2, 3, 4), .programMismatch(testProgram, low: 3, high: 4)),
            (words(1, 0, 0, 0, 3), .procedureUnavailable(1)), (words(1, 0, 0, 0, 4), .garbageArguments),
            (words(1, 0, 0, 0, 5), .systemError), (words(1, 1, 0, 2, 2), .rpcMismatch(low: 2, high: 2)),
            (words(1, 1, 1, 5), .authentication(5)),
        ] as [([UInt8], RPCError.Refusal)] {
            let call = bench.client.make(1)
            try sendAll(marked(words(try bench.nextCall().xid) + body), on: bench.link.server.raw)
            guard case .refused(let refusal) = try call.failure() else {
                Issue.record("\(expected)")
                continue
            }
            #expect(refusal == expected && !"\(refusal)".isEmpty)
        }
    }

    @Test func aServerThatGoesFailsAllCalls() throws {
        let bench = try Bench()
        let calls = (0..<10).map { _ in bench.client.make(1) }
        for _ in calls { _ = try bench.nextCall() }
        shutdown(bench.link.server.raw, Int32(SHUT_RDWR))
        for call in calls {
            guard case .closedByPeer = try call.failure() else {
                Issue.record("\(String(describing: try call.failure()))")
                continue
            }
        }
        // And every later one.
        #expect(try bench.client.make(1).failure() != nil)
        #expect(bench.client.failure != nil)
    }

    @Test func aServerThatIsSilentIsGivenUp() throws {
        let bench = try Bench(patience: 0.2)
        let begin = Deadline.clock
        guard case .timedOut(0.2) = try bench.client.make(1).failure() else {
            Issue.record("no timeout")
            return
        }
        #expect(Deadline.clock - begin >= 200_000_000)
    }

    /// Silence while nothing is asked is no failure.
    @Test func anIdleConnectionStays() throws {
        let bench = try Bench(patience: 0.1)
        defer { bench.client.close() }
        usleep(300_000)
        let call = bench.client.make(1)
        try bench.reply(try bench.nextCall().xid, words(1))
        #expect(try call.reply().results == words(1))
    }

    @Test func garbageEndsTheConnection() throws {
        for garbage in [
            Array("HTTP/1.1 200 OK\r\n\r\n".utf8), marked(words(1, 0, 5)), marked(words(1, 9)), words(0xffff_ffff, 1),
            marked([1, 2]),
        ] {
            let bench = try Bench()
            let call = bench.client.make(1)
            _ = try bench.nextCall()
            try sendAll(garbage, on: bench.link.server.raw)
            shutdown(bench.link.server.raw, Int32(SHUT_WR))
            #expect(try call.failure() != nil)
        }
    }

    /// The payload of a reply goes to its file, whatever its size.
    @Test(arguments: [0, 1, 3, 4, 1000, 65_537, 300_000]) func payloadIntoAFile(_ size: Int) throws {
        let bench = try Bench()
        defer { bench.client.close() }
        let payload = pattern(size)
        let file = TestFile()
        let sink = Client.Sink(target: PayloadTarget(file: file.descriptor, offset: 10), limit: 300_000) { results in
            guard let count = results.word(at: 4) else { return .needs(8) }
            return .at(offset: 8, count: Int(count))
        }
        let call = bench.client.make(3, sink: sink)
        let padding = [UInt8](repeating: 0, count: (4 - size % 4) % 4)
        try bench.reply(try bench.nextCall().xid, words(77, UInt32(size)) + payload + padding)
        let reply = try call.reply()
        #expect(reply.results == words(77, UInt32(size)) && reply.payload == size)
        if size > 0 { #expect(try file.contents == [UInt8](repeating: 0, count: 10) + payload) }
    }

    /// More than was asked for is not written, and is that call's failure alone.
    @Test func aPayloadLongerThanAskedFor() throws {
        let bench = try Bench()
        defer { bench.client.close() }
        let file = TestFile()
        let sink = Client.Sink(target: PayloadTarget(file: file.descriptor, offset: 0), limit: 100) { results in
            guard let count = results.word(at: 0) else { return .needs(4) }
            return .at(offset: 4, count: Int(count))
        }
        let call = bench.client.make(3, sink: sink)
        try bench.reply(try bench.nextCall().xid, words(104) + pattern(104))
        guard case .oversized(104, limit: 100) = try call.failure() else {
            Issue.record("\(String(describing: try call.failure()))")
            return
        }
        #expect(try file.contents.isEmpty)
        let next = bench.client.make(1)
        try bench.reply(try bench.nextCall().xid, words(5))
        #expect(try next.reply().results == words(5))
    }

    /// A file that fails is that call's failure; the connection goes on.
    @Test func aPayloadThatCannotBeWritten() throws {
        let bench = try Bench()
        defer { bench.client.close() }
        let full = SharedDescriptor(try Files.open("/dev/full", O_WRONLY))
        let sink = Client.Sink(target: PayloadTarget(file: full, offset: 0), limit: 100_000) { results in
            guard let count = results.word(at: 0) else { return .needs(4) }
            return .at(offset: 4, count: Int(count))
        }
        let call = bench.client.make(3, sink: sink)
        try bench.reply(try bench.nextCall().xid, words(50_000) + pattern(50_000))
        guard case .file = try call.failure() else {
            Issue.record("\(String(describing: try call.failure()))")
            return
        }
        let next = bench.client.make(1)
        try bench.reply(try bench.nextCall().xid, words(5))
        #expect(try next.reply().results == words(5))
    }

    /// Many calls at once against a real server, payloads both ways, in every pair of layers.
    @Test(arguments: TestedLayers.pairs) func manyCallsAtOnce(_ layers: LayerPair) throws {
        let bytes = pattern(100_000)
        let server = try TestServer(
            cleartext: false, securer: TestSecurer(layer: layers.server), program: TestProgram(bytes))
        let client = try server.securedClient(layers.client)
        defer { client.close() }
        let source = TestFile(bytes)
        var calls: [(PendingCall, TestFile?)] = []
        for index in 0..<60 {
            switch index % 3 {
            case 0: calls.append((client.make(1, words(UInt32(index))), nil))
            case 1:
                calls.append(
                    (
                        client.make(
                            2, words(UInt32(index) * 1000, 10_000),
                            payload: .init(file: source.descriptor, offset: UInt64(index), count: 10_000)), nil
                    ))
            default:
                let file = TestFile()
                let sink = Client.Sink(target: PayloadTarget(file: file.descriptor, offset: 0), limit: 100_000) {
                    results in
                    guard let count = results.word(at: 0) else { return .needs(4) }
                    return .at(offset: 4, count: Int(count))
                }
                calls.append((client.make(3, words(UInt32(50_000 + index)), sink: sink), file))
            }
        }
        for (index, (call, file)) in calls.enumerated() {
            let reply = try call.reply(within: 60)
            if let file {
                #expect(reply.payload == 50_000 + index)
                #expect(try file.contents == Array(bytes.prefix(50_000 + index)))
            } else {
                #expect(reply.results == words(index % 3 == 0 ? UInt32(index) : 10_000))
            }
        }
    }

    @Test func closeFailsWhatWaits() throws {
        let bench = try Bench()
        let call = bench.client.make(1)
        _ = try bench.nextCall()
        bench.client.close()
        #expect(try call.failure() != nil)
        #expect(try bench.client.make(1).failure() != nil)
    }
}
