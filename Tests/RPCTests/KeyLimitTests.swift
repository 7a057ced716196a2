import Kernel
import SecureChannel
import TestSupport
import Testing

@testable import RPC

/// A connection whose key has protected enough, and cannot be changed: neither end loses a call, or has one done twice.
@Suite struct KeyLimitTests {
    private static let calls = 60

    /// The server ends its connections between two replies, each after a few of them. The calls that it has not read are
    /// made again, and no other.
    @Test(arguments: TestedLayers.pairs) func theServerEndsInGoodOrder(_ layers: LayerPair) throws {
        let server = try TestServer(
            cleartext: false, securer: TestSecurer(layer: layers.server, limits: KeyLimits(records: 64))
        ) {
            // So that it does not read all calls at once.
            $0.maximumReplies = 4
        }
        let wanted = pattern(100_000)
        var left = Array(0..<Self.calls)
        var connections = 0
        while !left.isEmpty {
            let client = try server.securedClient(layers.client)
            connections += 1
            let files = left.map { _ in TestFile() }
            let replies = files.map { file in
                client.make(
                    3, words(100_000),
                    sink: .init(target: PayloadTarget(file: file.descriptor, offset: 0), limit: 100_000) { results in
                        results.word(at: 0).map { .at(offset: 4, count: Int($0)) } ?? .needs(4)
                    })
            }
            var unanswered: [Int] = []
            for (index, reply) in replies.enumerated() {
                do {
                    #expect(try reply.reply().payload == 100_000)
                    #expect(try files[index].contents == wanted)
                } catch let error as RPCError {
                    // Not cut, and not reset.
                    guard case .closedByPeer = error else { throw error }
                    unanswered.append(left[index])
                }
            }
            #expect(unanswered.count < left.count)
            left = unanswered
            client.close()
        }
        // Eight records or so for each reply.
        #expect((3...20).contains(connections))
        #expect(server.program.calls.withLock { $0 } == Self.calls)
        #expect(eventually { server.server.connectionCount == 0 })
    }

    /// The same with what the client sends: a server's key for that direction is worn as well.
    @Test(arguments: TestedLayers.pairs) func andWhereItReceives(_ layers: LayerPair) throws {
        let server = try TestServer(
            cleartext: false, securer: TestSecurer(layer: layers.server, limits: KeyLimits(records: 64)))
        let source = TestFile(pattern(Self.calls * 100_000))
        var left = Array(0..<Self.calls)
        while !left.isEmpty {
            let client = try server.securedClient(layers.client)
            let replies = left.map { index in
                client.make(
                    2, words(UInt32(index) * 100_000, 100_000),
                    payload: .init(file: source.descriptor, offset: UInt64(index) * 100_000, count: 100_000))
            }
            var unanswered: [Int] = []
            for (index, reply) in replies.enumerated() {
                do {
                    #expect(try reply.reply().results == words(100_000))
                } catch let error as RPCError {
                    guard case .closedByPeer = error else { throw error }
                    unanswered.append(left[index])
                }
            }
            #expect(unanswered.count < left.count)
            left = unanswered
            client.close()
        }
        #expect(try server.program.target.contents == source.contents)
    }

    /// A client that does not end its side is waited for only so long.
    @Test(arguments: TestedLayers.all) func aClientThatStays(_ layer: Channel.Layer) throws {
        let server = try TestServer(
            cleartext: false, securer: TestSecurer(layer: layer, limits: KeyLimits(records: 1))
        ) { $0.secondsToEnd = 0.01 }
        let socket = try server.connect()
        try StartTLS.probe(.cleartext(socket), program: testProgram, version: 1, until: .after(seconds: 10))
        let channel = try TestSecrets.channel(.user, socket, TestSecrets.make(.aes128GCM), .client)
        try channel.send(OutboundMessage(head: marked(call(procedure: 1, words(1, 2)))))
        #expect(try Receiving.bytes(36, from: channel).count == 36)
        try channel.send(OutboundMessage(head: marked(call(procedure: 1, words(1, 2)))))
        #expect(try Receiving.untilEnd(of: channel).isEmpty)
        #expect(server.program.calls.withLock { $0 } == 1)
        // It is looked for with each new connection, at the latest; which is itself gone soon.
        var looks = 0
        #expect(
            eventually {
                looks += 1
                if looks % 50 == 1 { _ = try? server.connect() }
                return server.server.connectionCount == 0
            })
    }

    /// A client that leaves a connection has the replies to its calls, makes no others, and ends it.
    @Test(arguments: TestedLayers.pairs) func aClientLeaves(_ layers: LayerPair) throws {
        let server = try TestServer(cleartext: false, securer: TestSecurer(layer: layers.server))
        let client = try server.securedClient(layers.client)
        server.program.gate.withLock { $0 = false }
        let waiting = client.make(6)
        let second = client.make(1, words(5, 6))
        client.leave()
        let error = #expect(throws: RPCError.self) { _ = try client.make(1).reply() }
        guard case .left = error else { throw try #require(error) }
        #expect(server.server.connectionCount == 1)
        server.program.gate.withLock(wake: true) { $0 = true }
        _ = try waiting.reply()
        #expect(try second.reply().results == words(5, 6))
        #expect(eventually { server.server.connectionCount == 0 && client.isOver })

        let idle = try server.securedClient(layers.client)
        _ = try idle.make(1, words(1, 2)).reply()
        idle.leave()
        #expect(eventually { server.server.connectionCount == 0 })
    }
}
