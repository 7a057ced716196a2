import Certificates
import Glibc
import Handshake
import Kernel
import RPC
import SecureChannel
import TestSupport
import Testing

/// Whatever clients do, xferd goes on serving the others, and its log says who did what.
@Suite struct HostileClientTests {
    /// The same process serves a good client, and has said nothing of a crash.
    private func expectAlive(_ site: Site, sourceLocation: SourceLocation = #_sourceLocation) throws {
        #expect(site.xferd.ended == nil, "\(site.xferd.error)", sourceLocation: sourceLocation)
        try write("still here", to: site.data + "/good")
        let ended = try site.xfer("get", "localhost:/data/good", "good")
        expectDone(ended, sourceLocation: sourceLocation)
        #expect(contents(of: site.local + "/good") == "still here", sourceLocation: sourceLocation)
    }

    /// A connection as a good client has it, on a tlscd of the test's own.
    private func secured(_ site: Site, tlscd: String, port: UInt16? = nil) throws -> Channel {
        let daemon = HandshakeDaemon(
            path: tlscd, role: .client, recordLayer: site.layer == .kernel ? .kernel : .user)
        return try ClientSecurer(daemon: daemon, mutual: true, certificateName: "localhost", patience: 10)
            .connect(host: "127.0.0.1", port: port ?? site.port, program: 100003, version: 3).channel
    }

    private func withDaemon(_ site: Site, _ body: (String) throws -> Void) throws {
        let (tlscd, socket) = try site.startDaemon()
        try body(socket)
        #expect(try tlscd.stop().status == 0)
    }

    /// RFC 9289 section 5.2.1: a connection does not outlive the trust in its certificate.
    @Test(arguments: Layer.available) func aClientThatIsTrustedNoMore(layer: Layer) throws {
        try withSite(layer) { site in
            try withDaemon(site) { tlscd in
                let client = try secured(site, tlscd: tlscd)
                // The client's side of a handshake is over before the server's.
                try site.tlssd.logged("session secured")
                // SIGHUP by itself ends nothing: NULL is answered.
                kill(site.tlssd.process, SIGHUP)
                try site.tlssd.logged("sessions ended=0")
                try client.send(
                    OutboundMessage(head: RPCBytes.record(RPCBytes.call(program: 100003, procedure: 0))),
                    until: .after(seconds: 10))
                #expect(try Poll.wait(client.socket.raw, for: Poll.readable, until: .after(seconds: 10)) != 0)
                var reply = [UInt8](repeating: 0, count: 100)
                guard case .bytes(28) = try reply.withUnsafeMutableBytes({ try client.receiver.receive(into: $0) })
                else {
                    throw Unexpected("no answer to NULL")
                }
                let other = try CertificateAuthority.create(at: site.directory.path + "/other", name: "other")
                #expect(rename(other.certificateFile, site.pki.certificateFile) == 0)
                kill(site.tlssd.process, SIGHUP)
                try site.tlssd.logged("session ended by a check of its certificate")
                #expect(try Poll.wait(client.socket.raw, for: Poll.readable, until: .after(seconds: 10)) != 0)
                try site.xferd.logged("the certificate is not trusted")
                let line = site.xferd.error.split(separator: "\n").first { $0.contains("connection closed") }
                #expect(line?.contains("CN=me") == true, "\(site.xferd.error)")
            }
        }
    }

    @Test(arguments: Layer.available) func randomBytes(layer: Layer) throws {
        try withSite(layer) { site in
            for seed in 1...40 {
                let client = try RawClient(port: site.port)
                client.send(pattern(seed * 97, seed: UInt64(seed)))
                client.finishSending()
                #expect(client.ends(), "seed \(seed)")
            }
            try site.xferd.logged("connection closed peer=127.0.0.1", count: 0)
            try site.xferd.logged("peer=127.0.0.1", count: 20)
            try expectAlive(site)
        }
    }

    @Test(arguments: Layer.available) func recordsLongerThanAllowed(layer: Layer) throws {
        try withSite(layer) { site in
            // In cleartext: a call that says it has a gigabyte, and fragments without end.
            let long = try RawClient(port: site.port)
            long.send(
                RPCBytes.words(0x8000_0000 | 1 << 30) + RPCBytes.call(program: 100003, procedure: 0)
                    + [UInt8](repeating: 0, count: 4096))
            #expect(long.ends())
            let fragments = try RawClient(port: site.port)
            fragments.send((0..<5000).flatMap { _ in RPCBytes.words(0) })
            #expect(fragments.ends())
            try site.xferd.logged("connection closed", count: 2)
            for line in site.xferd.error.split(separator: "\n") where line.contains("connection closed") {
                #expect(line.contains("peer=127.0.0.1:") && line.contains("reason="))
            }
            // In TLS
            try withDaemon(site) { tlscd in
                let channel = try secured(site, tlscd: tlscd)
                try channel.send(
                    OutboundMessage(
                        head: RPCBytes.words(0x8000_0000 | 1 << 30) + RPCBytes.call(program: 100003, procedure: 1)
                            + [UInt8](repeating: 0, count: 4096)), until: .after(seconds: 10))
                #expect(ends(channel))
            }
            try site.xferd.logged("connection closed", count: 3)
            try expectAlive(site)
        }
    }

    /// Whether the peer ends the connection, in order or not.
    private func ends(_ channel: Channel, seconds: Double = 20) -> Bool {
        var space = [UInt8](repeating: 0, count: 65536)
        let deadline = Deadline.after(seconds: seconds)
        while !deadline.hasPassed {
            do {
                switch try space.withUnsafeMutableBytes({ try channel.receiver.receive(into: $0) }) {
                case .blocked:
                    guard ((try? Poll.wait(channel.socket.raw, for: Poll.readable, until: deadline)) ?? 0) != 0 else {
                        return false
                    }
                case .end: return true
                default: break
                }
            } catch {
                return true
            }
        }
        return false
    }

    /// Calls of every procedure, cut off inside their arguments, and with lengths that promise what is not there.
    @Test(arguments: Layer.available) func truncatedArgumentsInsideTLS(layer: Layer) throws {
        try withSite(layer) { site in
            try withDaemon(site) { tlscd in
                let channel = try secured(site, tlscd: tlscd)
                var calls = 0
                for program in [100003, 100005] as [UInt32] {
                    for procedure in 0...23 as ClosedRange<UInt32> {
                        for arguments in [
                            [], [0], RPCBytes.words(32), RPCBytes.words(64) + [1, 2, 3], RPCBytes.words(0xffff_ffff),
                            RPCBytes.words(65),
                            RPCBytes.words(4, 0x0102_0304, 0xffff_fff0),
                            RPCBytes.words(8, 0, 0, 0x7fff_ffff, 0, 0x7fff_ffff, 2, 0x7fff_fff0),
                        ] as [[UInt8]] {
                            let body =
                                RPCBytes.call(program: program, procedure: procedure, transaction: UInt32(calls))
                                + arguments
                            try channel.send(OutboundMessage(head: RPCBytes.record(body)), until: .after(seconds: 10))
                            calls += 1
                        }
                    }
                }
                // Each is answered; none ends the connection, for its records are whole.
                var replies = 0
                var stream: [UInt8] = []
                var space = [UInt8](repeating: 0, count: 65536)
                let deadline = Deadline.after(seconds: 30)
                while replies < calls && !deadline.hasPassed {
                    switch try space.withUnsafeMutableBytes({ try channel.receiver.receive(into: $0) }) {
                    case .bytes(let count): stream += space.prefix(count)
                    case .blocked: _ = try Poll.wait(channel.socket.raw, for: Poll.readable, until: deadline)
                    default:
                        throw Unexpected(
                            "the server ended after \(replies) of \(calls) replies: \(site.xferd.error.suffix(600))")
                    }
                    while stream.count >= 4 {
                        let length = stream.prefix(4).reduce(0) { $0 << 8 | Int($1) } & 0x7fff_ffff
                        guard stream.count >= 4 + length else { break }
                        // REPLY
                        #expect(Array(stream[8..<12]) == [0, 0, 0, 1])
                        stream.removeFirst(4 + length)
                        replies += 1
                    }
                }
                #expect(replies == calls)
                channel.close(until: .after(seconds: 5))
            }
            try expectAlive(site)
        }
    }

    @Test(arguments: Layer.available) func closedAtEveryByteOfTheProbe(layer: Layer) throws {
        try withSite(layer) { site in
            for count in 0...RPCBytes.probeCount {
                let client = try RawClient(port: site.port)
                client.send(RPCBytes.probe.prefix(count))
                if count % 2 == 0 { client.finishSending() } else { Socket.shutdown(client.socket.raw) }
            }
            // Whole probes: the answer comes and the handshake never does.
            for seed in 0..<8 {
                let client = try RawClient(port: site.port)
                client.send(RPCBytes.probe)
                let answer = try client.receive(36)
                #expect(answer == RPCBytes.startTLS)
                client.send(pattern(seed * 50, seed: 9))
                client.finishSending()
                #expect(client.ends())
            }
            try expectAlive(site)
        }
    }

    /// A client's stream cut after every so many bytes: in the probe, the handshake, and the calls behind it.
    @Test(arguments: Layer.available) func cutAnywhere(layer: Layer) throws {
        try withSite(layer) { site in
            try withDaemon(site) { tlscd in
                var reached = 0
                for limit in stride(from: 1, through: 3200, by: Layer.isLab ? 149 : 16) {
                    let port = site.port
                    let proxy = try FakeServer { client in
                        guard let server = try? RawClient(port: port) else { return }
                        try? Thread.detached("back") {
                            while let some = try? server.receive(1, seconds: 30), !some.isEmpty { client.send(some) }
                        }
                        var left = limit
                        while left > 0 {
                            let some = client.receive(left)
                            if some.isEmpty { break }
                            server.send(some)
                            left -= some.count
                        }
                        Socket.shutdown(server.socket.raw)
                        Socket.shutdown(client.socket.raw)
                    }
                    do {
                        let channel = try secured(site, tlscd: tlscd, port: proxy.port)
                        reached += 1
                        // More than any limit leaves room for.
                        for number in 0..<64 {
                            let call = RPCBytes.record(
                                RPCBytes.call(program: 100005, procedure: 5, transaction: UInt32(number)))
                            try channel.send(OutboundMessage(head: call), until: .after(seconds: 10))
                        }
                        #expect(ends(channel))
                    } catch {
                        // The handshake fails where it is cut; that it does is the client's to say.
                    }
                }
                #expect(reached > 3, "no cut came behind the handshake")
            }
            try expectAlive(site)
        }
    }

    @Test(arguments: Layer.available, [false, true]) func twoHundredThatAreSilent(layer: Layer, afterTheProbe: Bool)
        throws
    {
        try withSite(layer) { site in
            let clients = try (0..<200).map { _ in try RawClient(port: site.port) }
            if afterTheProbe {
                for client in clients { client.send(RPCBytes.probe) }
                for client in clients { #expect(try client.receive(36) == RPCBytes.startTLS) }
            }
            let begin = monotonicSeconds()
            try expectAlive(site)
            #expect(monotonicSeconds() - begin < 20, "the silent ones cost a good client its time")
            for client in clients { Socket.shutdown(client.socket.raw) }
        }
    }

    /// What may not be asked in cleartext is refused with AUTH_TOOWEAK, and nothing of it is done.
    @Test(arguments: Layer.available) func nothingIsDoneInCleartext(layer: Layer) throws {
        try withSite(layer) { site in
            let client = try RawClient(port: site.port)
            for (program, procedure) in [(100003, 1), (100003, 7), (100005, 1), (100005, 5)] as [(UInt32, UInt32)] {
                client.send(
                    RPCBytes.record(RPCBytes.call(program: program, procedure: procedure) + RPCBytes.words(0, 0, 0)))
                // MSG_DENIED, AUTH_ERROR, AUTH_TOOWEAK
                #expect(try client.receive(24) == RPCBytes.record(RPCBytes.words(7, 1, 1, 1, 5)))
            }
            // AUTH_TLS on another procedure than NULL: AUTH_BADCRED
            client.send(RPCBytes.record(RPCBytes.call(program: 100003, procedure: 1, flavor: 7)))
            #expect(try client.receive(24) == RPCBytes.record(RPCBytes.words(7, 1, 1, 1, 1)))
            try expectAlive(site)
        }
    }
}
