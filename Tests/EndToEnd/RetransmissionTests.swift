import Glibc
import Handshake
import Kernel
import SecureChannel
import TestSupport
import Testing

/// A call that is sent again, since the connection or the server was lost, is done once and answered as the first time.
@Suite struct RetransmissionTests {
    /// xferd with a state directory, one run after the other.
    private struct Server {
        let program: RunningProgram
        let port: UInt16

        /// - Parameter killedBy: the system call that strace kills it in, when it is first made of the exported directory.
        init(_ site: Site, killedBy call: String? = nil) throws {
            let path = site.directory.path
            let tracer =
                call.map {
                    [
                        "strace", "-f", "-qqq", "-o", "/dev/null", "-P", site.data, "-e", "trace=\($0)", "-e",
                        "inject=\($0):signal=SIGKILL:when=1",
                    ]
                } ?? []
            program = try RunningProgram(
                tracer + [
                    Programs.path("xferd"), "--export", "/data=\(path)/data,rw", "--listen", "127.0.0.1:0", "--tlssd",
                    path + "/tlssd.sock", "--record-layer", site.layer.rawValue, "--state", path + "/state",
                    "--announce",
                ])
            guard let port = UInt16(try program.line()) else { throw Unexpected("no port: \(program.output)") }
            self.port = port
        }

        func kill() throws {
            program.signal(SIGKILL)
            #expect(try program.wait().status == 128 + SIGKILL)
        }
    }

    /// A client's connection. Its calls have AUTH_NONE: the exported directory is everybody's to write.
    private struct Client {
        let channel: Channel

        init(_ site: Site, _ server: Server, tlscd: String) throws {
            let daemon = HandshakeDaemon(
                path: tlscd, role: .client, recordLayer: site.layer == .kernel ? .kernel : .user)
            channel = try ClientSecurer(daemon: daemon, mutual: true, certificateName: "localhost", patience: 20)
                .connect(host: "127.0.0.1", port: server.port, program: 100003, version: 3).channel
        }

        func send(_ program: UInt32, _ procedure: UInt32, _ transaction: UInt32, _ arguments: [UInt8]) throws {
            let call = RPCBytes.call(program: program, procedure: procedure, transaction: transaction)
            try channel.send(OutboundMessage(head: RPCBytes.record(call + arguments)), until: .after(seconds: 20))
        }

        /// The next reply's results; nil where the connection ends before.
        func results() throws -> [UInt8]? {
            var bytes: [UInt8] = []
            var space = [UInt8](repeating: 0, count: 4096)
            let deadline = Deadline.after(seconds: 60)
            while !deadline.hasPassed {
                if bytes.count >= 4 {
                    let length = bytes.prefix(4).reduce(0) { $0 << 8 | Int($1) } & 0x7fff_ffff
                    if bytes.count == 4 + length {
                        // REPLY, MSG_ACCEPTED, no verifier, SUCCESS
                        #expect(Array(bytes[8..<28]) == RPCBytes.words(1, 0, 0, 0, 0))
                        return Array(bytes.dropFirst(28))
                    }
                }
                do {
                    switch try space.withUnsafeMutableBytes({ try channel.receiver.receive(into: $0) }) {
                    case .bytes(let count): bytes += space.prefix(count)
                    case .blocked: _ = try Poll.wait(channel.socket.raw, for: Poll.readable, until: deadline)
                    default: return nil
                    }
                } catch is ChannelError {
                    return nil
                }
            }
            throw Unexpected("no reply")
        }

        func call(_ program: UInt32, _ procedure: UInt32, _ transaction: UInt32, _ arguments: [UInt8]) throws -> [UInt8]
        {
            try send(program, procedure, transaction, arguments)
            guard let results = try results() else { throw Unexpected("the connection ended") }
            return results
        }

        /// The file handle of /data, as arguments have it.
        func mount() throws -> [UInt8] {
            let results = try call(100005, 1, 1, Arguments.name("/data"))
            guard results.starts(with: RPCBytes.words(0)), results.count >= 8 else { throw Unexpected("no mount") }
            let length = results[4..<8].reduce(0) { $0 << 8 | Int($1) }
            return Array(results[4..<8 + (length + 3) / 4 * 4])
        }

        func close() { channel.close(until: .after(seconds: 5)) }
    }

    private enum Arguments {
        static func name(_ text: String) -> [UInt8] {
            let bytes = Array(text.utf8)
            return RPCBytes.words(UInt32(bytes.count)) + bytes + [UInt8](repeating: 0, count: (4 - bytes.count % 4) % 4)
        }

        /// sattr3: a mode and nothing else
        static func mode(_ mode: UInt32) -> [UInt8] { RPCBytes.words(1, mode, 0, 0, 0, 0, 0) }
    }

    private func withState(_ layer: Layer, _ body: (Site, String) throws -> Void) throws {
        try withSite(layer) { site in
            mkdir(site.directory.path + "/state", 0o700)
            chmod(site.data, 0o777)
            let (tlscd, socket) = try site.startDaemon()
            try body(site, socket)
            #expect(try tlscd.stop().status == 0)
        }
    }

    @Test(arguments: Layer.available) func theConnectionIsLost(layer: Layer) throws {
        try withState(layer) { site, tlscd in
            let server = try Server(site)
            let first = try Client(site, server, tlscd: tlscd)
            let root = try first.mount()
            try write("text", to: site.data + "/file")
            let remove = root + Arguments.name("file")
            let reply = try first.call(100003, 12, 500, remove)
            #expect(reply.starts(with: RPCBytes.words(0)))
            first.close()
            // Somebody makes another file of that name meanwhile: it is not the one to be removed.
            try write("another", to: site.data + "/file")
            let second = try Client(site, server, tlscd: tlscd)
            let again = try second.call(100003, 12, 500, remove)
            #expect(again == reply)
            #expect(contents(of: site.data + "/file") == "another")
            // A call with a transaction of its own is another call.
            #expect(try second.call(100003, 12, 501, remove).starts(with: RPCBytes.words(0)))
            #expect(!exists(site.data + "/file"))
            second.close()
            #expect(try server.program.stop().status == 0)
        }
    }

    @Test(arguments: Layer.available) func theServerIsKilledAfterItsReply(layer: Layer) throws {
        try withState(layer) { site, tlscd in
            var server = try Server(site)
            let first = try Client(site, server, tlscd: tlscd)
            let root = try first.mount()
            let make = root + Arguments.name("made") + Arguments.mode(0o755)
            let reply = try first.call(100003, 9, 500, make)
            #expect(reply.starts(with: RPCBytes.words(0)))
            for _ in 1...2 {
                try server.kill()
                server = try Server(site)
                let again = try Client(site, server, tlscd: tlscd)
                let second = try again.call(100003, 9, 500, make)
                #expect(second == reply)
                // The directory exists, for who asks anew.
                #expect(try again.call(100003, 9, 501, make).starts(with: RPCBytes.words(17)))
                again.close()
            }
            #expect(try server.program.stop().status == 0)
        }
    }

    /// Each change is synchronized to disk before it is answered: fsync(2) is what comes between.
    @Test(arguments: Layer.available) func theServerIsKilledBetweenACallAndItsReply(layer: Layer) throws {
        try #require(access("/usr/bin/strace", X_OK) == 0, "strace is needed")
        try withState(layer) { site, tlscd in
            let before = try Server(site)
            let client = try Client(site, before, tlscd: tlscd)
            let root = try client.mount()
            client.close()
            #expect(try before.program.stop().status == 0)
            try write("new", to: site.data + "/from")
            try write("old", to: site.data + "/to")
            try write("text", to: site.data + "/file")

            for (procedure, arguments, isDone) in [
                (9, root + Arguments.name("made") + Arguments.mode(0o751), { exists(site.data + "/made") }),
                (12, root + Arguments.name("file"), { !exists(site.data + "/file") }),
                (14, root + Arguments.name("from") + root + Arguments.name("to"), { !exists(site.data + "/from") }),
            ] as [(UInt32, [UInt8], () -> Bool)] {
                let killed = try Server(site, killedBy: "fsync")
                let lost = try Client(site, killed, tlscd: tlscd)
                try lost.send(100003, procedure, 500, arguments)
                #expect(try lost.results() == nil, "procedure \(procedure) was answered")
                #expect(try killed.program.wait().status == 128 + SIGKILL)
                #expect(isDone(), "procedure \(procedure)")
                let server = try Server(site)
                let again = try Client(site, server, tlscd: tlscd)
                let reply = try again.call(100003, procedure, 500, arguments)
                #expect(reply.starts(with: RPCBytes.words(0)), "procedure \(procedure): \(reply.prefix(4))")
                let third = try again.call(100003, procedure, 500, arguments)
                #expect(third == reply)
                again.close()
                #expect(try server.program.stop().status == 0)
            }
            #expect(contents(of: site.data + "/to") == "new")
            #expect(try status(of: site.data + "/made").st_mode & 0o777 == 0o751)
        }
    }
}
