import Glibc
import Kernel
import SecureChannel
import TestSupport
import Testing

@testable import RPC

/// RFC 9289 section 4.1: what a server makes of AUTH_TLS.
@Suite struct AuthTLSTests {
    private let starttls = words(7, 1, 0, 0, 8) + Array("STARTTLS".utf8) + words(0)

    private func probe(_ program: UInt32 = testProgram) -> [UInt8] { call(program: program, procedure: 0, flavor: 7) }

    /// The answer's verifier is AUTH_NONE with the eight bytes; of any program that is there.
    @Test func theAnswer() throws {
        let other = TestProgram(number: testProgram + 1, version: 1)
        let server = try TestServer(cleartext: false, others: [other])
        #expect(try server.exchange(probe()) == starttls)
        #expect(try server.exchange(probe(testProgram + 1)) == starttls)
        // No program sees it.
        #expect(server.program.calls.withLock { $0 } == 0 && other.calls.withLock { $0 } == 0)
    }

    /// A probe that is none: it is denied, and the connection stays in cleartext.
    @Test func whatIsNoProbe() throws {
        let server = try TestServer(cleartext: false)
        let socket = try server.connect()
        for (name, message, expected) in [
            ("another procedure", call(procedure: 1, flavor: 7), denied(1)),
            ("a procedure with a payload", call(procedure: 2, flavor: 7, words(0, 4, 1)), denied(1)),
            ("a credential with a body", call(procedure: 0, flavor: 7, credential: words(1)), denied(1)),
            ("a verifier with a body", call(procedure: 0, flavor: 7, verifier: words(1)), denied(3)),
            ("a verifier of another flavor", call(procedure: 0, flavor: 7, verifierFlavor: 7), denied(3)),
            ("a program that is not there", call(program: 1, procedure: 0, flavor: 7), accepted(1)),
            ("a version that is not there", call(version: 2, procedure: 0, flavor: 7), accepted(2) + words(1, 1)),
            ("NULL", call(procedure: 0), accepted(0)),
        ] {
            try sendAll(marked(message), on: socket.raw)
            #expect(try receiveMessage(on: socket.raw) == expected, "\(name)")
        }
        #expect(try server.program.target.contents.isEmpty)
        try sendAll(marked(probe()), on: socket.raw)
        #expect(try receiveMessage(on: socket.raw) == starttls)
    }

    /// Inside TLS there is no place for it, and the connection goes on.
    @Test(arguments: TestedLayers.all) func insideTLS(_ layer: Channel.Layer) throws {
        let server = try TestServer(cleartext: false, securer: TestSecurer(layer: layer))
        let socket = try server.connect()
        try StartTLS.probe(.cleartext(socket), program: testProgram, version: 1, until: .after(seconds: 10))
        let channel = try TestSecrets.channel(.user, socket, TestSecrets.make(.aes128GCM), .client)
        for procedure: UInt32 in [0, 1] {
            try channel.send(OutboundMessage(head: marked(call(procedure: procedure, flavor: 7))))
            #expect(try Receiving.bytes(24, from: channel) == marked(denied(1)))
        }
        try channel.send(OutboundMessage(head: marked(call(procedure: 1, words(3)))))
        #expect(try Receiving.bytes(32, from: channel) == marked(accepted(0) + words(3)))
    }

    /// After STARTTLS nothing is answered in cleartext: a second probe is no TLS record.
    @Test func aSecondProbe() throws {
        let server = try TestServer(cleartext: false)
        let socket = try server.connect()
        try sendAll(marked(probe()), on: socket.raw)
        #expect(try receiveMessage(on: socket.raw) == starttls)
        try sendAll(marked(probe()), on: socket.raw)
        // An alert of TLS at most, and the end.
        #expect(try receiveAll(100, on: socket.raw).first.map { $0 == 21 || $0 == 23 } ?? true)
        #expect(eventually { server.server.connectionCount == 0 })
    }

    /// Section 5.1.1: what comes behind the probe before the handshake is dropped, also a second probe.
    @Test func behindTheProbe() throws {
        let server = try TestServer(cleartext: true, securer: TestSecurer(failure: "no"))
        let socket = try server.connect()
        try sendAll(marked(probe()) + marked(call(xid: 8, procedure: 1, words(1))) + marked(probe()), on: socket.raw)
        #expect(try receiveMessage(on: socket.raw) == starttls)
        #expect(try receiveMessage(on: socket.raw) == nil)
        #expect(server.program.calls.withLock { $0 } == 0)
    }
}
