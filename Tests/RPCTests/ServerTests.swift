import Glibc
import Kernel
import SecureChannel
import TestSupport
import Testing

@testable import RPC

/// What a server answers, byte for byte, and what it outlives.
@Suite struct ServerTests {
    /// In cleartext NULL and the probe are answered, and nothing else is: AUTH_TOOWEAK.
    @Test func cleartextIsRefused() throws {
        let server = try TestServer(cleartext: false)
        #expect(try server.exchange(call(procedure: 0)) == accepted(0))
        #expect(try server.exchange(call(procedure: 1, words(1, 2))) == denied(5))
        #expect(try server.exchange(call(procedure: 3, words(100))) == denied(5))
        // A payload is neither written nor answered otherwise.
        #expect(try server.exchange(call(procedure: 2, words(0, 8, 1, 2))) == denied(5))
        #expect(try server.program.target.contents.isEmpty)
        #expect(server.program.calls.withLock { $0 } == 1)
    }

    /// The probe of RFC 9289, the handshake, and calls behind it, in each layer.
    @Test(arguments: TestedLayers.pairs) func startTLS(_ layers: LayerPair) throws {
        let server = try TestServer(cleartext: false, securer: TestSecurer(layer: layers.server))
        let client = try server.securedClient(layers.client)
        defer { client.close() }
        #expect(try client.make(1, words(8, 9)).reply().results == words(8, 9))
        let bytes = pattern(50_001)
        let file = TestFile(bytes)
        let written = try client.make(
            2, words(0, UInt32(bytes.count)), payload: .init(file: file.descriptor, offset: 0, count: bytes.count)
        ).reply()
        #expect(written.results == words(UInt32(bytes.count)))
        #expect(try server.program.target.contents == bytes)
    }

    @Test func startTLSBytes() throws {
        let server = try TestServer(cleartext: false)
        let reply = try server.exchange(call(procedure: 0, flavor: 7))
        #expect(reply == words(7, 1, 0, 0, 8) + Array("STARTTLS".utf8) + words(0))
    }

    /// Inside TLS the probe has no place: RFC 9289 section 4.1.
    @Test func aProbeInsideTLS() throws {
        let server = try TestServer(cleartext: false)
        let socket = try server.connect()
        try StartTLS.probe(.cleartext(socket), program: testProgram, version: 1, until: .after(seconds: 10))
        let channel = try TestSecrets.channel(.user, socket, TestSecrets.make(.aes128GCM), .client)
        try channel.send(OutboundMessage(head: marked(call(procedure: 0, flavor: 7))))
        #expect(try Receiving.bytes(24, from: channel) == marked(denied(1)))
    }

    /// What a client sends behind its probe, before the handshake, is dropped: RFC 9289 section 5.1.1.
    @Test func callsBehindTheProbeAreNotAnswered() throws {
        let server = try TestServer(cleartext: false, securer: TestSecurer(failure: "no"))
        let socket = try server.connect()
        try sendAll(marked(call(procedure: 0, flavor: 7)) + marked(call(xid: 8, procedure: 0)), on: socket.raw)
        #expect(try receiveMessage(on: socket.raw)?.count == 32)
        #expect(try receiveMessage(on: socket.raw) == nil)
    }

    /// A client may send a call and the probe in one piece: both are answered before the handshake begins.
    @Test func aCallAheadOfTheProbe() throws {
        let server = try TestServer(cleartext: false)
        let socket = try server.connect()
        try sendAll(marked(call(procedure: 0)) + marked(call(xid: 8, procedure: 0, flavor: 7)), on: socket.raw)
        #expect(try receiveMessage(on: socket.raw, seconds: 5) == accepted(0))
        #expect(try receiveMessage(on: socket.raw, seconds: 5)?.count == 32)
        let channel = try TestSecrets.channel(.user, socket, TestSecrets.make(.aes128GCM), .client)
        try channel.send(OutboundMessage(head: marked(call(procedure: 1, words(3)))))
        #expect(try Receiving.bytes(32, from: channel) == marked(accepted(0) + words(3)))
    }

    /// One whose calls never end takes turns with the others, also where there is one thread.
    @Test func busyConnectionsTakeTurns() throws {
        let server = try TestServer(workers: 1)
        let (busy, other) = (try server.connect(), try server.connect())
        try sendAll(marked(call(procedure: 0)), on: other.raw)
        #expect(try receiveMessage(on: other.raw) == accepted(0))
        server.program.gate.withLock { $0 = false }
        let many = (0..<200).flatMap { _ in marked(call(procedure: 1, words(1))) }
        try sendAll(marked(call(procedure: 6)) + many, on: busy.raw)
        _ = server.program.calls.wait(until: .after(seconds: 20)) { $0 == 2 ? true : nil }
        try sendAll(marked(call(procedure: 4)), on: other.raw)
        server.program.gate.withLock(wake: true) { $0 = true }
        #expect(try receiveMessage(on: other.raw) == accepted(5))
        for _ in 0..<201 { _ = try receiveMessage(on: busy.raw) }
        let order = server.program.order.withLock { $0 }
        let place = try #require(order.firstIndex(of: 4))
        #expect(order.count == 203 && place < 150, "answered as number \(place) of \(order.count)")
    }

    /// Also where some program is answered in cleartext, a connection may not stay there for ever.
    @Test func cleartextForTooLong() throws {
        let server = try TestServer(cleartext: true) { $0.secondsUntilSecured = 0.01 }
        let idle = try server.connect()
        #expect(eventually { server.server.connectionCount == 1 })
        // The limit is looked at with each new connection, at the latest.
        #expect(
            eventually {
                _ = try? server.connect()
                var byte: UInt8 = 0
                return recv(idle.raw, &byte, 1, 0) == 0
            })
    }

    @Test func aFailedHandshakeEndsTheConnection() throws {
        let server = try TestServer(cleartext: false, securer: TestSecurer(failure: "not today"))
        let socket = try server.connect()
        try StartTLS.probe(.cleartext(socket), program: testProgram, version: 1, until: .after(seconds: 10))
        #expect(try receiveAll(1, on: socket.raw).isEmpty)
        #expect(eventually { server.server.connectionCount == 0 })
    }

    @Test func probesThatAreNotAnswered() throws {
        let link = try Link()
        let silent = #expect(throws: StartTLS.Refusal.self) {
            try StartTLS.probe(.cleartext(link.client), program: 1, version: 1, until: .after(seconds: 0.05))
        }
        guard case .timedOut = silent else { throw try #require(silent) }
        for (answer, wanted) in [
            (Array("HTTP/1.1 400 Bad Request\r\n\r\n".utf8), "does not speak RPC"), ([], "closed the connection"),
            (marked(words(1, 2, 3)), "does not speak RPC"),
        ] as [([UInt8], String)] {
            let link = try Link()
            try sendAll(answer, on: link.server.raw)
            shutdown(link.server.raw, Int32(SHUT_WR))
            let refusal = #expect(throws: StartTLS.Refusal.self) {
                try StartTLS.probe(.cleartext(link.client), program: 1, version: 1, until: .after(seconds: 10))
            }
            #expect(refusal.map { "\($0)" }?.contains(wanted) == true, "\(refusal.map { "\($0)" } ?? "")")
        }
        // SSH's greeting, and then it waits.
        let greeting = try Link()
        try sendAll(Array("SSH-2.0-OpenSSH_9.2p1\r\n".utf8), on: greeting.server.raw)
        let ssh = #expect(throws: StartTLS.Refusal.self) {
            try StartTLS.probe(.cleartext(greeting.client), program: 1, version: 1, until: .after(seconds: 0.2))
        }
        #expect(ssh.map { "\($0)" }?.contains("does not speak RPC") == true)
        // One that speaks RPC, and not TLS: the xid is the probe's own.
        for (reply, wanted) in [(words(0), "without STARTTLS"), (words(1), "RPC-with-TLS")] {
            let link = try Link()
            let peer = try Running {
                let probe = try receiveMessage(on: link.server.raw) ?? []
                #expect(probe.count == 40 && word(probe, 5) == 0 && word(probe, 6) == 7 && word(probe, 7) == 0)
                try sendAll(marked(Array(probe.prefix(4)) + words(1, 0, 0, 0) + reply), on: link.server.raw)
            }
            let refusal = #expect(throws: StartTLS.Refusal.self) {
                try StartTLS.probe(.cleartext(link.client), program: 1, version: 1, until: .after(seconds: 10))
            }
            try peer.value()
            #expect(refusal.map { "\($0)" }?.contains(wanted) == true)
        }
    }

    // MARK: What it outlives

    @Test func randomBytes() throws {
        let server = try TestServer()
        for seed in 1...40 {
            let socket = try server.connect()
            try sendAll(pattern(600, seed: UInt64(seed)), on: socket.raw)
            shutdown(socket.raw, Int32(SHUT_WR))
            // It ends, one way or the other.
            _ = try receiveAll(100_000, on: socket.raw)
        }
        #expect(try server.stillServes())
        #expect(eventually { server.server.connectionCount <= 1 })
    }

    @Test func messagesLongerThanAllowed() throws {
        let server = try TestServer()
        for stream in [
            words(0xffff_ffff), words(0x8000_0000 | 1_000_000), words(0x7fff_ffff) + words(7, 0, 2, testProgram, 1, 1),
        ] {
            let socket = try server.connect()
            try sendAll(stream + [UInt8](repeating: 0, count: 200), on: socket.raw)
            #expect(try receiveAll(1, on: socket.raw).isEmpty)
        }
        #expect(try server.stillServes())
    }

    /// A valid exchange cut at every byte.
    @Test func closedAtEveryByte() throws {
        let server = try TestServer()
        let stream =
            marked(call(procedure: 2, words(0, 20) + pattern(20))) + marked(call(xid: 8, procedure: 1, words(1)))
        for count in 0...stream.count {
            let socket = try server.connect()
            try sendAll(Array(stream.prefix(count)), on: socket.raw)
            shutdown(socket.raw, Int32(SHUT_WR))
            let replies = try receiveAll(10_000, on: socket.raw).count
            #expect(replies <= 64)
        }
        #expect(try server.stillServes())
        #expect(eventually { server.server.connectionCount <= 1 })
    }

    @Test func manySilentConnectionsDelayNobody() throws {
        let server = try TestServer()
        let silent = try (0..<200).map { _ in try server.connect() }
        #expect(eventually { server.server.connectionCount == 200 })
        let begin = Deadline.clock
        #expect(try server.stillServes())
        #expect(Deadline.clock - begin < 2_000_000_000)
        #expect(silent.count == 200)
    }

    @Test func oneConnectionTooMany() throws {
        let server = try TestServer { $0.maximumConnections = 3 }
        let kept = try (0..<3).map { _ in try server.connect() }
        #expect(eventually { server.server.connectionCount == 3 })
        let more = try server.connect()
        #expect(try receiveAll(1, on: more.raw).isEmpty)
        try sendAll(marked(call(procedure: 0)), on: kept[0].raw)
        #expect(try receiveMessage(on: kept[0].raw) == accepted(0))
    }

    /// A client that reads no replies is not read from for ever, and delays nobody.
    @Test func replesThatAreNotRead() throws {
        let server = try TestServer { $0.maximumReplies = 8 }
        let socket = try server.connect()
        let one = marked(call(procedure: 3, words(100_000)))
        let asked = 400
        let sender = try Running { for _ in 0..<asked { try sendAll(one, on: socket.raw) } }
        // It answers until the buffers are full, and then takes no more calls.
        #expect(eventually { server.program.calls.withLock { $0 } >= 8 })
        var before = -1
        #expect(
            eventually {
                defer { before = server.program.calls.withLock { $0 } }
                usleep(50_000)
                return before == server.program.calls.withLock { $0 }
            })
        #expect(before < asked)
        #expect(try server.stillServes())
        // Then it reads, and gets every reply.
        for _ in 0..<asked {
            let reply = try #require(try receiveMessage(on: socket.raw))
            #expect(reply.count == 24 + 4 + 100_000)
        }
        try sender.value()
    }

    /// Clients that reset their connections in the middle of everything.
    @Test func resets() throws {
        let server = try TestServer(workers: 4)
        let threads = try (0..<4).map { _ in
            try Running {
                for round in 0..<60 {
                    let socket = try server.connect()
                    setResetOnClose(socket.raw)
                    for _ in 0..<4 { try sendAll(marked(call(procedure: 3, words(100_000))), on: socket.raw) }
                    _ = try receiveAll(round * 997, on: socket.raw)
                }
            }
        }
        for thread in threads { try thread.value() }
        #expect(try server.stillServes())
        #expect(eventually { server.server.connectionCount <= 1 })
    }

    /// Work that blocks keeps a worker and not the others' connections.
    @Test func stopEndsEverything() throws {
        let server = try TestServer()
        let sockets = try (0..<5).map { _ in try server.connect() }
        #expect(eventually { server.server.connectionCount == 5 })
        server.server.stop()
        for socket in sockets { #expect(try receiveAll(1, on: socket.raw).isEmpty) }
        #expect(server.server.connectionCount == 0)
    }
}
