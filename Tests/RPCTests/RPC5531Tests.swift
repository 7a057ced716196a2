import Glibc
import Kernel
import SecureChannel
import TestSupport
import Testing

@testable import RPC

/// What RFC 5531 has a server answer, byte for byte.
@Suite struct RPC5531Tests {
    /// A body of AUTH_SYS, appendix A: stamp, machine name, uid, gid, gids.
    private func authSys(name: Int = 4, groups: Int = 2) -> [UInt8] {
        words(99, UInt32(name)) + [UInt8](repeating: 97, count: name) + [UInt8](repeating: 0, count: (4 - name % 4) % 4)
            + words(1000, 100, UInt32(groups)) + (0..<groups).flatMap { words(UInt32($0)) }
    }

    private func expect(
        _ exchanges: [(String, [UInt8], [UInt8])], from server: TestServer,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        for (name, message, expected) in exchanges {
            #expect(try server.exchange(message) == expected, "\(name)", sourceLocation: sourceLocation)
        }
        // All of them on one connection, in one piece.
        let socket = try server.connect()
        try sendAll(exchanges.flatMap { marked($0.1) }, on: socket.raw)
        for (name, _, expected) in exchanges {
            #expect(try receiveMessage(on: socket.raw) == expected, "\(name)", sourceLocation: sourceLocation)
        }
    }

    /// Section 9, accept_stat and RPC_MISMATCH.
    @Test func acceptStat() throws {
        try expect(
            [
                ("SUCCESS", call(procedure: 0), accepted(0)),
                ("SUCCESS with results", call(procedure: 1, words(5, 6)), accepted(0) + words(5, 6)),
                ("PROG_UNAVAIL", call(program: 100_003, procedure: 0), accepted(1)),
                ("PROG_MISMATCH", call(version: 9, procedure: 0), accepted(2) + words(1, 1)),
                ("PROC_UNAVAIL", call(procedure: 77), accepted(3)),
                ("GARBAGE_ARGS", call(procedure: 1, [1, 2, 3]), accepted(4)),
                ("SYSTEM_ERR", call(procedure: 4), accepted(5)),
                ("RPC_MISMATCH", call(rpc: 3, procedure: 0), words(7, 1, 1, 0, 2, 2)),
                ("RPC_MISMATCH, version 0", call(rpc: 0, procedure: 0), words(7, 1, 1, 0, 2, 2)),
            ], from: TestServer())
    }

    /// Section 8.1: programs and versions of one program share a port, and each call reaches its own.
    @Test func severalProgramsOnOnePort() throws {
        let other = testProgram + 1
        let server = try TestServer(others: [
            TestProgram(version: 4), TestProgram(number: other, version: 2), TestProgram(number: other, version: 3),
        ])
        var exchanges: [(String, [UInt8], [UInt8])] = []
        for (number, version) in [(testProgram, 1), (testProgram, 4), (other, 2), (other, 3)] as [(UInt32, UInt32)] {
            exchanges.append(
                (
                    "\(number) \(version)", call(program: number, version: version, procedure: 8),
                    accepted(0) + words(number, version)
                ))
        }
        // The lowest and the highest; what lies between is not said to be there.
        for version: UInt32 in [0, 2, 3, 5] {
            exchanges.append(("version \(version)", call(version: version, procedure: 8), accepted(2) + words(1, 4)))
        }
        exchanges.append(("other", call(program: other, version: 1, procedure: 8), accepted(2) + words(2, 3)))
        exchanges.append(("neither", call(program: other + 1, version: 1, procedure: 8), accepted(1)))
        try expect(exchanges, from: server)
    }

    /// Section 9, auth_stat; section 10 and appendix A for the flavors.
    @Test func authStat() throws {
        func system(_ body: [UInt8]) -> [UInt8] { call(procedure: 7, flavor: 1, credential: body) }
        try expect(
            [
                ("AUTH_SYS", system(authSys()), accepted(0) + words(1000, 100, 2)),
                ("AUTH_SYS, the most", system(authSys(name: 255, groups: 16)), accepted(0) + words(1000, 100, 16)),
                ("AUTH_SYS without a name", system(authSys(name: 0, groups: 0)), accepted(0) + words(1000, 100, 0)),
                // AUTH_BADCRED: bad credential (seal broken)
                ("AUTH_SYS, 17 gids", system(authSys(groups: 17)), denied(1)),
                ("AUTH_SYS, a name of 256", system(authSys(name: 256)), denied(1)),
                ("AUTH_SYS, empty", system([]), denied(1)),
                ("AUTH_SYS cut short", system(Array(authSys().dropLast(4))), denied(1)),
                ("AUTH_SYS with more behind it", system(authSys() + words(0)), denied(1)),
                ("AUTH_SYS, 2^32 - 1 gids", system(words(99, 0, 1, 1, .max)), denied(1)),
                ("AUTH_NONE with a body", call(procedure: 0, credential: words(1)), denied(1)),
                ("AUTH_DH", call(procedure: 0, flavor: 3, credential: words(1)), denied(1)),
                ("RPCSEC_GSS", call(procedure: 0, flavor: 6, credential: words(1)), denied(1)),
                ("an unknown flavor", call(procedure: 0, flavor: .max, credential: words(1)), denied(1)),
                // AUTH_REJECTEDCRED: the client must begin anew, as with a shorthand that was forgotten
                ("AUTH_SHORT", call(procedure: 0, flavor: 2, credential: words(1)), denied(2)),
                // AUTH_BADVERF
                ("AUTH_NONE, a verifier", call(procedure: 0, verifierFlavor: 1), denied(3)),
                ("AUTH_NONE, a verifier with a body", call(procedure: 0, verifier: words(1)), denied(3)),
                (
                    "AUTH_SYS, a verifier",
                    call(procedure: 7, flavor: 1, credential: authSys(), verifierFlavor: 1, verifier: authSys()),
                    denied(3)
                ),
                // What a program finds out by itself
                ("AUTH_BADCRED", call(procedure: 5, words(1)), denied(1)),
                ("AUTH_REJECTEDCRED", call(procedure: 5, words(2)), denied(2)),
                ("AUTH_BADVERF", call(procedure: 5, words(3)), denied(3)),
                ("AUTH_REJECTEDVERF", call(procedure: 5, words(4)), denied(4)),
                ("AUTH_TOOWEAK", call(procedure: 5, words(5)), denied(5)),
            ], from: TestServer())
    }

    /// Section 9: a reply says that the call was rejected before it says what became of it otherwise, and looks at the RPC
    /// version before the rest of the header, whose form that decides.
    @Test func orderOfChecks() throws {
        try expect(
            [
                (
                    "the RPC version, then the credential",
                    call(rpc: 3, program: 1, version: 9, procedure: 99, flavor: 4242), words(7, 1, 1, 0, 2, 2)
                ),
                (
                    "the credential, then the verifier",
                    call(program: 1, version: 9, procedure: 99, flavor: 4242, verifier: words(1)), denied(1)
                ),
                (
                    "the verifier, then the program",
                    call(program: 1, version: 9, procedure: 99, verifier: words(1)), denied(3)
                ),
                ("the program, then the version", call(program: 1, version: 9, procedure: 99), accepted(1)),
                (
                    "the version, then the procedure", call(version: 9, procedure: 99), accepted(2) + words(1, 1)
                ),
                ("the procedure, then the arguments", call(procedure: 99, [1, 2, 3]), accepted(3)),
            ], from: TestServer())
    }

    /// Section 9: only a call is answered. A header that is none ends the connection, and nobody else's.
    @Test func whatIsNoCall() throws {
        let server = try TestServer()
        let long = [UInt8](repeating: 0, count: 404)
        for (name, message) in [
            ("a reply", accepted(0)), ("a reply that denies", denied(1)),
            ("a message of neither type", words(7, 2, 2, testProgram, 1, 0, 0, 0, 0, 0)),
            ("a header cut short", Array(call(procedure: 0).dropLast(4))), ("an empty message", []),
            // Section 8.2: opaque_auth's body has 400 bytes at most.
            ("a credential of 404 bytes", call(procedure: 0, flavor: 1, credential: long)),
            ("a verifier of 404 bytes", call(procedure: 0, verifier: long)),
        ] {
            let socket = try server.connect()
            try sendAll(marked(call(xid: 1, procedure: 0)) + marked(message), on: socket.raw)
            // What came before it is answered.
            #expect(try receiveMessage(on: socket.raw) == accepted(0, xid: 1), "\(name)")
            #expect(try receiveAll(1, on: socket.raw).isEmpty, "\(name)")
        }
        #expect(try server.stillServes())
    }

    /// Section 11: a call and a payload in fragments of a byte, with empty ones between them, and through TLS.
    @Test(arguments: TestedLayers.all) func manyFragments(_ layer: Channel.Layer) throws {
        let server = try TestServer(cleartext: false, securer: TestSecurer(layer: layer))
        let socket = try server.connect()
        try StartTLS.probe(.cleartext(socket), program: testProgram, version: 1, until: .after(seconds: 10))
        let channel = try TestSecrets.channel(.user, socket, TestSecrets.make(.aes128GCM), .client)
        let bytes = pattern(9000)
        let sizes = [0, 0, 0] + [Int](repeating: 1, count: 5000)
        let stream =
            marked(call(procedure: 1, words(5, 6)), fragments: sizes)
            + marked(call(xid: 8, procedure: 2, words(3, 9000) + bytes), fragments: sizes)
            + marked(call(xid: 9, procedure: 1, words(7)), fragments: [1, 0, 2])
        try channel.send(OutboundMessage(head: stream), until: .after(seconds: 20))
        let replies =
            marked(accepted(0) + words(5, 6)) + marked(accepted(0, xid: 8) + words(9000))
            + marked(accepted(0, xid: 9) + words(7))
        #expect(try Receiving.bytes(replies.count, from: channel) == replies)
        #expect(try server.program.target.contents == [0, 0, 0] + bytes)
    }
}
