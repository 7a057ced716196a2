import Glibc
import Handshake
import Kernel
import SecureChannel
import SystemPackage
import TestSupport
import Testing

/// Protocol/tlscd.x, for calls made by hand.
enum UpcallNumbers {
    static let tlscd: UInt32 = 0x2054_4c43
    static let connect: UInt32 = 1
    static let rekey: UInt32 = 3
}

/// The upcall, both ends, over a real AF_LOCAL socket.
@Suite struct UpcallTests {
    static let cases = TestedLayers.all.flatMap { layer in CipherSuite.allCases.map { (layer, $0) } }

    @Test(arguments: cases) func success(_ layer: Channel.Layer, _ suite: CipherSuite) throws {
        let daemon = try TestDaemon(.client, FakeHandshaker(suite))
        let link = try Link()
        do {
            let secured = try daemon.secure(link.client, RecordLayerChoice(layer))
            #expect(secured.channel.layer == layer && secured.suite == suite && secured.applicationProtocol == "sunrpc")
            let peer = try #require(secured.peer)
            #expect(peer.subject == "CN=files.example" && peer.issuer == "CN=test" && peer.serial == "0A")
            #expect(peer.alternativeNames == ["DNS:a", "IP:::1"] && peer.fingerprint.count == 64)
            #expect(daemon.server.sessionCount == 1)
            let other = try TestSecrets.channel(.user, link.server, TestSecrets.make(suite), .server)
            #expect(try exchange(secured.channel, other))
        }
        // The engine's end of the upcall is gone with the channel, and that is DISCONNECT.
        #expect(eventually { daemon.server.sessionCount == 0 })
    }

    @Test func autoTakesTheKernelWhereItIsThere() throws {
        let daemon = try TestDaemon(.server, FakeHandshaker())
        let link = try Link()
        let secured = try daemon.secure(link.server, .auto)
        #expect(secured.channel.layer == (TestedLayers.isKernelThere ? .kernel : .user))
    }

    @Test func theKernelThatIsNotThereIsRefused() throws {
        guard !TestedLayers.isKernelThere else { return }
        let daemon = try TestDaemon(.client, FakeHandshaker())
        let failure = try daemon.failure(try Link().client, .kernel)
        #expect(failure.kind == .recordLayer)
        #expect(failure.reason.contains("'kernel' cannot be had") && failure.reason.contains("no kernel TLS"))
    }

    @Test func reasonsArrive() throws {
        let daemon = try TestDaemon(.client, FakeHandshaker())
        let link = try Link()
        let untrusted = try daemon.failure(link.client, name: "untrusted")
        #expect(untrusted.kind == .peerRefused && untrusted.reason == "the certificate 'CN=x' is not trusted")
        let begin = Deadline.clock
        let late = try daemon.failure(link.client, name: "silent", seconds: 0.2)
        #expect(late.kind == .timedOut && Deadline.clock - begin < 3_000_000_000)
        #expect(daemon.server.sessionCount == 0)
        // The daemon goes on.
        _ = try daemon.secure(link.client, .user)
    }

    /// The daemon's own limit holds, whatever the engine asks for.
    @Test func theDaemonsDeadline() throws {
        let daemon = try TestDaemon(.server, FakeHandshaker(), longest: 0.2)
        #expect(try daemon.failure(try Link().server, name: "silent", seconds: 30).kind == .timedOut)
    }

    @Test func aRequestWithoutADeadline() throws {
        let daemon = try TestDaemon(.client, FakeHandshaker())
        let link = try Link()
        let secured = try daemon.engine(.user).secure(
            link.client, HandshakeRequest(peerName: "x", mutual: false, deadline: .never))
        #expect(secured.channel.layer == .user)
    }

    @Test func aDaemonThatIsNotThere() throws {
        let directory = TemporaryDirectory(in: "/dev/shm")
        let engine = HandshakeDaemon(path: directory.path + "/socket", role: .client, recordLayer: .auto)
        #expect(!engine.isRunning())
        let link = try Link()
        let failure = #expect(throws: HandshakeFailure.self) {
            _ = try engine.secure(
                link.client, HandshakeRequest(peerName: "x", mutual: false, deadline: .after(seconds: 5)))
        }
        #expect(failure?.kind == .local)
        #expect(failure?.reason.contains("tlscd") == true && failure?.reason.contains(directory.path) == true)
    }

    /// The programs have different numbers: an engine of the one role is not served by the other's daemon.
    @Test func theWrongDaemon() throws {
        let daemon = try TestDaemon(.server, FakeHandshaker())
        let engine = HandshakeDaemon(path: daemon.path, role: .client, recordLayer: .user)
        #expect(!engine.isRunning() && daemon.engine(.user).isRunning())
        let link = try Link()
        let failure = #expect(throws: HandshakeFailure.self) {
            _ = try engine.secure(
                link.client, HandshakeRequest(peerName: "x", mutual: false, deadline: .after(seconds: 5)))
        }
        #expect(failure?.kind == .local && failure?.reason.contains("upcall") == true)
    }

    // MARK: Many at once

    @Test func silentPeersDelayNobody() throws {
        let handshaker = FakeHandshaker()
        let daemon = try TestDaemon(.client, handshaker, longest: 30)
        // The connection itself is nothing to the fake: all have the same one.
        let link = try Link()
        let silent = try (0..<200).map { _ in
            try Running { () -> Bool in
                do throws(HandshakeFailure) {
                    _ = try daemon.secure(link.client, .user, name: "silent", seconds: 30)
                    return true
                } catch { return false }
            }
        }
        for _ in 0..<10 {
            _ = try daemon.secure(link.client, .user)
        }
        #expect(silent.allSatisfy { !$0.isDone })
        handshaker.gate.withLock(wake: true) { $0 = true }
        #expect(try silent.allSatisfy { try $0.value() })
        #expect(eventually { daemon.server.sessionCount == 0 })
    }

    // MARK: Bad callers

    private func connect(_ daemon: TestDaemon) throws -> SharedDescriptor {
        SharedDescriptor(try Socket.connect(to: SocketAddress(path: daemon.path), until: .after(seconds: 5)))
    }

    /// An upcall by hand, RFC 5531: CONNECT, procedure 1, or REKEY, procedure 3.
    private func call(_ procedure: UInt32, program: UInt32, _ arguments: [UInt8], version: UInt32 = 2) -> [UInt8] {
        let body = words(9, 0, 2, program, version, procedure, 0, 0, 0, 0) + arguments
        return words(UInt32(body.count) | 0x8000_0000) + body
    }

    private func words(_ values: UInt32...) -> [UInt8] {
        values.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> (24 - 8 * $0)) } }
    }

    private let tlscd = UpcallNumbers.tlscd
    private let connectArguments: [UInt8] = [
        0, 0, 0, 1, UInt8(ascii: "x"), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0x27, 0x10,
    ]

    @Test func connectWithoutASocket() throws {
        let daemon = try TestDaemon(.client, FakeHandshaker())
        let socket = try connect(daemon)
        try sendAll(call(UpcallNumbers.connect, program: tlscd, connectArguments), on: socket.raw)
        let reply = String(decoding: try receiveAll(100, on: socket.raw, seconds: 1), as: UTF8.self)
        #expect(reply.contains("without a socket"))
        #expect(daemon.server.sessionCount == 0)
    }

    @Test func rekeyWithoutASession() throws {
        let daemon = try TestDaemon(.client, FakeHandshaker())
        let socket = try connect(daemon)
        try sendAll(call(UpcallNumbers.rekey, program: tlscd, words(1)), on: socket.raw)
        #expect(
            String(decoding: try receiveAll(100, on: socket.raw, seconds: 1), as: UTF8.self).contains(
                "without a socket"))
        let link = try Link()
        try DescriptorPassing.send(link.client.raw, over: socket.raw)
        try sendAll(call(UpcallNumbers.rekey, program: tlscd, words(1)), on: socket.raw)
        #expect(
            String(decoding: try receiveAll(200, on: socket.raw, seconds: 1), as: UTF8.self).contains(
                "not in the kernel"))
    }

    /// What an engine that asks for a new key at that moment is told, behind the call ENDED.
    @Test func rekeyOfAnEndedSession() throws {
        let fake = FakeHandshaker()
        let daemon = try TestDaemon(.client, fake)
        let socket = try connect(daemon)
        let link = try Link()
        try DescriptorPassing.send(link.client.raw, over: socket.raw)
        try sendAll(call(UpcallNumbers.connect, program: tlscd, connectArguments), on: socket.raw)
        #expect(eventually { daemon.server.sessionCount == 1 })
        fake.objection.withLock(wake: false) { $0 = "revoked" }
        #expect(daemon.server.recheck() == 1)
        try DescriptorPassing.send(link.client.raw, over: socket.raw)
        try sendAll(call(UpcallNumbers.rekey, program: tlscd, words(1)), on: socket.raw)
        let said = try receiveAll(1000, on: socket.raw, seconds: 1)
        let reason = words(7) + Array("revoked".utf8) + [0]
        // ENDED: a call, procedure 4, without credentials. REKEY's answer: TLS_ERR_PEER_REFUSED.
        #expect(contains(said, words(0, 0, 2, tlscd, 2, 4, 0, 0, 0, 0) + reason))
        #expect(contains(said, words(9, 1, 0, 0, 0, 0, 2) + reason))
    }

    private func contains(_ bytes: [UInt8], _ part: [UInt8]) -> Bool {
        bytes.indices.contains { bytes[$0...].starts(with: part) }
    }

    /// Calls the daemon cannot know are answered as RPC has it, on a connection that goes on.
    @Test func callsThatDoNotExist() throws {
        let daemon = try TestDaemon(.client, FakeHandshaker())
        let socket = try connect(daemon)
        for (message, status) in [
            (call(0, program: 42, []), 1), (call(0, program: tlscd, [], version: 7), 2),
            (call(99, program: tlscd, []), 3),
            (call(UpcallNumbers.connect, program: tlscd, words(5)), 4), (call(0, program: tlscd, []), 0),
        ] as [([UInt8], UInt32)] {
            try sendAll(message, on: socket.raw)
            let reply = try receiveAll(28, on: socket.raw)
            #expect(Array(reply.dropFirst(24)) == words(status))
            if status == 2 { _ = try receiveAll(8, on: socket.raw) }
        }
    }

    @Test func garbage() throws {
        let daemon = try TestDaemon(.client, FakeHandshaker())
        let sockets = try (0..<20).map { seed in
            let socket = try connect(daemon)
            try sendAll(pattern(200, seed: UInt64(seed + 1)), on: socket.raw)
            return socket
        }
        // A marker without a descriptor, and a call cut short at each byte.
        let marker = try connect(daemon)
        try sendAll([DescriptorPassing.marker] + pattern(50), on: marker.raw)
        let whole = call(UpcallNumbers.connect, program: tlscd, connectArguments)
        for count in 1..<whole.count {
            let socket = try connect(daemon)
            try sendAll(Array(whole.prefix(count)), on: socket.raw)
        }
        // Meanwhile:
        let link = try Link()
        let begin = Deadline.clock
        _ = try daemon.secure(link.client, .user)
        #expect(Deadline.clock - begin < 5_000_000_000)
        #expect(sockets.count == 20 && eventually { daemon.server.sessionCount == 0 })
    }

    // MARK: Who may call

    @Test func policyByUserAndGroup() throws {
        let ends = try Socket.pair()
        defer {
            close(ends.0)
            close(ends.1)
        }
        let me = try PeerCredentials(of: ends.0)
        #expect(try CallerPolicy().allows(me))
        for name in ["nobody", "65534", "@nogroup", "@65534"] { _ = try CallerPolicy(allowing: [name]) }
        for (name, kind) in [("no-such-user-here", "user"), ("@no-such-group-here", "group")] {
            let error = #expect(throws: UnknownCaller.self) { try CallerPolicy(allowing: [name]) }
            #expect(error.map { "\($0)" } == "--allow: there is no \(kind) '\(name.drop { $0 == "@" })'")
        }
    }

    /// Another user is told that it may not, and one that is named may: a child of that user makes the call.
    @Test(
        arguments: [([], true), (["nobody"], false), (["@nogroup"], false), (["daemon"], true)] as [([String], Bool)])
    func anotherUser(_ allowed: [String], _ isRefused: Bool) throws {
        try #require(geteuid() == 0, "needs root, to call as somebody else")
        let daemon = try TestDaemon(.client, FakeHandshaker(), callers: allowed)
        let script = """
            import socket, sys, array
            s = socket.socket(socket.AF_UNIX)
            s.connect("\\0" + sys.argv[1][1:])
            t = socket.socket()
            s.sendmsg([b"\\x01"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [t.fileno()]))])
            s.sendall(bytes.fromhex(sys.argv[2]))
            sys.stdout.write(s.recv(4096).decode("latin-1"))
            """
        let message = call(UpcallNumbers.connect, program: tlscd, connectArguments)
        let hex = message.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
        let pipe = try Pipe(capacity: 65536)
        let python = try ChildProcess(
            "/usr/bin/setpriv",
            ["--reuid=65534", "--regid=65534", "--clear-groups", "/usr/bin/python3", "-c", script, daemon.path, hex],
            output: pipe.writeEnd.raw)
        #expect(python.wait() == 0)
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = max(0, read(pipe.readEnd.raw, &bytes, bytes.count))
        let reply = String(decoding: bytes.prefix(count), as: UTF8.self)
        #expect(reply.contains("user 65534 may not use this tlscd") == isRefused)
        #expect(reply.contains("CN=x") != isRefused)
    }

    // MARK: The daemon's end

    @Test func sessionsOutliveTheDaemon() throws {
        let link = try Link()
        let directory = TemporaryDirectory(in: "/dev/shm")
        let path = directory.path + "/daemon"
        var daemon: TestDaemon? = try TestDaemon(.client, FakeHandshaker(), path: path)
        let secured = try #require(daemon).secure(link.client, .auto)
        let other = try TestSecrets.channel(.user, link.server, TestSecrets.make(.aes128GCM), .server)
        #expect(try exchange(secured.channel, other))
        try daemon?.stop()
        daemon = nil
        #expect(try exchange(secured.channel, other))
        // Its socket is there, and nobody listens: the next one takes its place.
        let next = try TestDaemon(.client, FakeHandshaker(), path: path)
        _ = try next.secure(try Link().client, .user)
        #expect(try exchange(secured.channel, other))
        // Two at one place are refused.
        let error = #expect(throws: SystemError.self) { _ = try LocalListener.open(path).raw }
        #expect(error?.errno == .addressInUse && error?.subject == path)
    }

    @Test func manySessionsAreCounted() throws {
        let daemon = try TestDaemon(.server, FakeHandshaker())
        let link = try Link()
        var sessions = try (0..<50).map { _ in try daemon.secure(link.server, .user) }
        #expect(daemon.server.sessionCount == 50)
        sessions.removeLast(20)
        #expect(eventually { daemon.server.sessionCount == 30 })
        sessions.removeAll()
        #expect(eventually { daemon.server.sessionCount == 0 })
    }
}
