import Glibc
import Kernel
import SecureChannel
import TestSupport
import Testing

@testable import RPC

/// How a server ends a connection: what is queued goes out first, for as long as the client may take.
@Suite struct EndingTests {
    private static let asked = 100
    private static let answer = 24 + 4 + 100_000 + 4

    /// Calls whose replies are more than any socket takes, and then nothing more but an ear.
    @Test(arguments: TestedLayers.pairs) func repliesBehindTheClientsLastWord(_ layers: LayerPair) throws {
        let server = try TestServer(cleartext: false, securer: TestSecurer(layer: layers.server))
        let socket = try server.connect()
        try StartTLS.probe(.cleartext(socket), program: testProgram, version: 1, until: .after(seconds: 10))
        let channel = try TestSecrets.channel(layers.client, socket, TestSecrets.make(.aes128GCM), .client)
        for _ in 0..<Self.asked {
            try channel.send(OutboundMessage(head: marked(call(procedure: 3, words(100_000)))))
        }
        if try channel.sender.enqueue(.closeNotify) {
            try Channel.finish(channel.sender, on: socket, until: .after(seconds: 10))
        }
        #expect(try Receiving.untilEnd(of: channel, seconds: 60).count == Self.asked * Self.answer)
        #expect(eventually { server.server.connectionCount == 0 })
    }

    /// The same in cleartext, where FIN is the last word.
    @Test func inCleartext() throws {
        let server = try TestServer()
        let socket = try server.connect()
        for _ in 0..<Self.asked { try sendAll(marked(call(procedure: 3, words(100_000))), on: socket.raw) }
        shutdown(socket.raw, Int32(SHUT_WR))
        let wanted = Self.asked * Self.answer
        #expect(try receiveAll(wanted + 1, on: socket.raw).count == wanted)
    }

    /// A client that does not read either is waited for only so long.
    @Test func aClientThatDoesNotRead() throws {
        let server = try TestServer {
            $0.secondsToEnd = 0.01
            $0.maximumReplies = 10_000
            $0.maximumBacklog = 1 << 30
        }
        let socket = try server.connect()
        // More than the sockets' buffers hold, of which the client's is small.
        try Socket.setOption(socket.raw, SOL_SOCKET, SO_RCVBUF, 4096)
        let asked = 600
        for _ in 0..<asked { try sendAll(marked(call(procedure: 3, words(100_000))), on: socket.raw) }
        shutdown(socket.raw, Int32(SHUT_WR))
        #expect(eventually { server.program.calls.withLock { $0 } == asked })
        // It is looked for with each new connection, at the latest; which is itself gone soon.
        var looks = 0
        #expect(
            eventually {
                looks += 1
                if looks % 50 == 1 { _ = try? server.connect() }
                return server.server.connectionCount == 0
            })
    }

    /// One that breaks the protocol of RPC gets the answers to what came before, and is told that this is the end.
    @Test(arguments: TestedLayers.all) func garbageBehindCalls(_ layer: Channel.Layer) throws {
        let server = try TestServer(cleartext: false, securer: TestSecurer(layer: layer))
        let socket = try server.connect()
        try StartTLS.probe(.cleartext(socket), program: testProgram, version: 1, until: .after(seconds: 10))
        let channel = try TestSecrets.channel(.user, socket, TestSecrets.make(.aes128GCM), .client)
        try channel.send(OutboundMessage(head: marked(call(procedure: 3, words(100_000))) + marked(words(1, 2, 3))))
        #expect(try Receiving.untilEnd(of: channel).count == Self.answer)
    }

    /// A client that sends calls for ever and never reads is read from no more, in each layer, and delays nobody.
    @Test(arguments: TestedLayers.all) func backpressure(_ layer: Channel.Layer) throws {
        let server = try TestServer(securer: TestSecurer(layer: layer)) {
            $0.maximumReplies = 1000
            $0.maximumBacklog = 1 << 20
        }
        let socket = try server.connect()
        try StartTLS.probe(.cleartext(socket), program: testProgram, version: 1, until: .after(seconds: 10))
        let channel = try TestSecrets.channel(.user, socket, TestSecrets.make(.aes128GCM), .client)
        // Replies from memory: procedure 1 echoes. Calls until the server takes no more of them.
        let calls = (0..<16).flatMap { _ in marked(call(procedure: 1, pattern(4000))) }
        _ = try channel.sender.enqueue(OutboundMessage(head: calls))
        var sent = 0
        var idle = 0
        while idle < 20 {
            if try channel.sender.flush() == .idle {
                sent += 16
                idle = 0
                _ = try channel.sender.enqueue(OutboundMessage(head: calls))
                try #require(sent < 100_000, "it takes calls without end")
            } else if try Poll.wait(socket.raw, for: Poll.writable, until: .after(seconds: 0.1)) == 0 {
                idle += 1
            }
        }
        // What was answered is what the sockets' buffers hold, the backlog, and one turn's messages.
        let answered = server.program.calls.withLock { $0 }
        let buffers = Int(try Socket.option(socket.raw, SOL_SOCKET, SO_RCVBUF)) + (8 << 20)
        #expect(answered * 4000 < (1 << 20) + buffers + 64 * 4096, "\(answered) calls answered")
        #expect(try server.stillServes())
        // It reads on, and every call is answered.
        let wanted = (sent + 16) * 4028
        let reader = try Running { try Receiving.bytes(wanted, from: channel, seconds: 60).count }
        try Channel.finish(channel.sender, on: socket, until: .after(seconds: 60))
        #expect(try reader.value(within: 120) == wanted)
    }
}
