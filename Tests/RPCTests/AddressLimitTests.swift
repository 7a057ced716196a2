import Glibc
import Kernel
import SecureChannel
import Synchronization
import TestSupport
import Testing

@testable import RPC

/// One address cannot have everything there is before TLS: neither the threads nor the connections.
@Suite struct AddressLimitTests {
    @Test func handshakesOfAnAddressWaitForEachOther() throws {
        let queue = HandshakeQueue(perAddress: 3)
        let gate = Condition(false)
        let running = Condition((now: 0, most: 0, done: 0))
        func submit(_ address: String) {
            queue.submit(
                from: address,
                HandshakeQueue.Work(
                    run: {
                        running.withLock(wake: true) { $0 = ($0.now + 1, max($0.most, $0.now + 1), $0.done) }
                        _ = gate.wait(until: .after(seconds: 20)) { $0 ? true : nil }
                        running.withLock(wake: true) { $0 = ($0.now - 1, $0.most, $0.done + 1) }
                    }, refuse: { Issue.record("refused") }))
        }
        for _ in 0..<20 { submit("a") }
        #expect(running.wait(until: .after(seconds: 20)) { $0.now == 3 ? true : nil } == true)
        #expect(queue.waiting == 17)
        // Another address has threads all the same.
        submit("b")
        #expect(running.wait(until: .after(seconds: 20)) { $0.now == 4 ? true : nil } == true)
        gate.withLock(wake: true) { $0 = true }
        #expect(running.wait(until: .after(seconds: 20)) { $0.done == 21 ? true : nil } == true)
        #expect(running.withLock { $0.most } == 4 && queue.waiting == 0)
    }

    /// Where no thread can be had, nobody waits for one that never comes.
    @Test func withoutThreads() throws {
        let queue = HandshakeQueue(
            perAddress: 1, threads: ThreadPool("none", maximum: 4, backlog: 4, start: { _, _ in false }))
        let refused = Condition(0)
        for _ in 0..<3 {
            queue.submit(
                from: "a",
                HandshakeQueue.Work(
                    run: { Issue.record("no thread, and it ran") }, refuse: { refused.withLock { $0 += 1 } }))
        }
        #expect(refused.withLock { $0 } == 3 && queue.waiting == 0)
    }

    /// All of a server: one handshake at a time, and everybody gets theirs.
    @Test func oneHandshakeAtATime() throws {
        let server = try TestServer(cleartext: false) { $0.handshakesPerAddress = 1 }
        let clients = try (0..<8).map { _ in try Running { try server.securedClient(.user) } }
        for client in clients {
            let client = try client.value()
            #expect(try client.make(1, words(8, 9)).reply().results == words(8, 9))
            client.close()
        }
    }

    /// Connections in cleartext count, secured ones do not, and each that goes leaves its place.
    @Test func connectionsWithoutTLS() throws {
        let server = try TestServer(cleartext: true) { $0.maximumUnsecuredPerAddress = 3 }
        let secured = try (0..<5).map { _ in try server.securedClient(.user) }
        for client in secured { #expect(try client.make(1).reply().results.isEmpty) }
        var kept = try (0..<3).map { _ in try server.connect() }
        #expect(eventually { server.server.connectionCount == 8 })
        let more = try server.connect()
        #expect(try receiveAll(1, on: more.raw).isEmpty)
        kept.removeFirst()
        #expect(eventually { server.server.connectionCount == 7 })
        #expect(try server.stillServes())
        for client in secured { client.close() }
    }

    @Test func whoAnAddressIs() throws {
        func origin(_ text: String) throws -> String {
            Server.origin(of: try #require(try SocketAddress.resolve(text, port: 1).first))
        }
        #expect(try origin("192.0.2.1") != origin("192.0.2.2"))
        #expect(try origin("::ffff:192.0.2.1") == origin("192.0.2.1"))
        #expect(try origin("2001:db8:0:1::1") == origin("2001:db8:0:1:ffff::2"))
        #expect(try origin("2001:db8:0:1::1") != origin("2001:db8:0:2::1"))
    }
}
