import Glibc
import Handshake
import Kernel
import RPC
import SecureChannel
import TestSupport
import Testing

/// Connections that do nothing cost next to nothing.
@Suite(.serialized) struct IdleConnectionsTests {
    static let count = 1000
    /// A resident set, in KiB, that no process reaches.
    static let limit = 64 << 10

    /// A thousand connections over TLS, each used, then idle, then each used again.
    @Test(arguments: Layer.available) func aThousand(layer: Layer) throws {
        var limits = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limits)
        limits.rlim_cur = limits.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limits)
        try withSite(layer) { site in
            let (tlscd, socket) = try site.startDaemon()
            let daemon = HandshakeDaemon(path: socket, role: .client, recordLayer: layer == .kernel ? .kernel : .user)
            let securer = ClientSecurer(daemon: daemon, mutual: true, certificateName: "localhost", patience: 60)
            func connect() throws -> Channel {
                try securer.connect(host: "127.0.0.1", port: site.port, program: 100003, version: 3).channel
            }
            let first = try connect()
            let root = try mount("/data", over: first)
            try use(first, root)
            let before = try [site.xferd, site.tlssd].map { try Cost($0) }
            var channels: [Channel] = []
            for _ in 0..<Self.count {
                let channel = try connect()
                try use(channel, root)
                channels.append(channel)
            }
            // No thread for any of them: those of handshakes end a few seconds after their last.
            for (program, before) in zip([site.xferd, site.tlssd], before) {
                _ = try eventually(within: 60) { try Cost(program).threads <= before.threads }
                let idle = try Cost(program)
                #expect(idle.threads <= before.threads, "\(program.name)")
                #expect(idle.residentKiB < Self.limit, "\(program.name): \(idle.residentKiB) KiB")
                print(
                    "\(layer.rawValue) layer, \(program.name): \(before.residentKiB) KiB resident with 1 connection,",
                    "\(idle.residentKiB) KiB with \(Self.count + 1), \(idle.threads) threads")
            }
            // All of them at once.
            for channel in channels { try send(getattr(root), over: channel) }
            for channel in channels { #expect(isGood(try reply(over: channel))) }
            for program in [site.xferd, site.tlssd] {
                let peak = try #require(program.peakKiB)
                #expect(peak < Self.limit, "\(program.name): \(peak) KiB at its peak")
            }
            for channel in channels + [first] { channel.close(until: .after(seconds: 5)) }
            #expect(try tlscd.stop().status == 0)
        }
    }

    /// What a process has, proc(5).
    private struct Cost {
        let residentKiB: Int
        let threads: Int

        init(_ program: RunningProgram) throws {
            func field(_ name: String) throws -> Int {
                for line in contents(of: "/proc/\(program.process)/status").split(separator: "\n")
                where line.hasPrefix(name + ":") {
                    let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" })
                    if let number = words.dropFirst().first.flatMap({ Int($0) }) { return number }
                }
                throw Unexpected("\(program.name): /proc has no \(name)")
            }
            residentKiB = try field("VmRSS")
            threads = try field("Threads")
        }
    }

    private func getattr(_ handle: [UInt8]) -> [UInt8] { RPCBytes.call(program: 100003, procedure: 1) + handle }

    private func use(_ channel: Channel, _ root: [UInt8]) throws {
        try send(getattr(root), over: channel)
        #expect(isGood(try reply(over: channel)))
    }

    /// SUCCESS, NFS3_OK and the attributes of a directory: ftype3 is 2.
    private func isGood(_ reply: [UInt8]) -> Bool {
        reply.prefix(32).elementsEqual(RPCBytes.words(7, 1, 0, 0, 0, 0, 0, 2))
    }

    /// The file handle of an export, as XDR has it: MNT of RFC 1813 appendix I.
    private func mount(_ path: String, over channel: Channel) throws -> [UInt8] {
        let padding = [UInt8](repeating: 0, count: (4 - path.utf8.count % 4) % 4)
        try send(
            RPCBytes.call(program: 100005, procedure: 1) + RPCBytes.words(UInt32(path.utf8.count)) + path.utf8
                + padding,
            over: channel)
        let reply = try reply(over: channel)
        guard reply.count > 32, reply.prefix(28).elementsEqual(RPCBytes.words(7, 1, 0, 0, 0, 0, 0)) else {
            throw Unexpected("MNT of \(path) failed: \(reply)")
        }
        return Array(reply[28..<32 + (Int(reply[31]) + 3) / 4 * 4])
    }

    private func send(_ call: [UInt8], over channel: Channel) throws {
        try channel.send(OutboundMessage(head: RPCBytes.record(call)), until: .after(seconds: 20))
    }

    private func reply(over channel: Channel) throws -> [UInt8] {
        let mark = try receive(4, over: channel)
        return try receive(Int(mark[2]) << 8 | Int(mark[3]), over: channel)
    }

    private func receive(_ count: Int, over channel: Channel) throws -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count {
            let received = try withUnsafeTemporaryAllocation(byteCount: count - bytes.count, alignment: 8) { space in
                let received = try channel.receiver.receive(into: space)
                if case .bytes(let count) = received { bytes += space.prefix(count) }
                return received
            }
            guard case .blocked = received else {
                guard case .bytes = received else { throw Unexpected("the connection ended") }
                continue
            }
            guard try Poll.wait(channel.socket.raw, for: Poll.readable, until: .after(seconds: 30)) != 0 else {
                throw Unexpected("no answer")
            }
        }
        return bytes
    }
}
