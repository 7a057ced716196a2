import Glibc
import Handshake
import Kernel
import NFS
import RPC
import SecureChannel
import TestSupport

/// What a connection costs the server that nobody uses just now, in bytes of resident memory of xferd and tlssd.
struct IdleConnections {
    let site: XferSite
    static let count = 500

    func run() throws -> Measurement {
        Progress.say("idle-connections, xfer")
        let securer = try site.securer()
        func connect() throws -> Channel {
            try securer.connect(host: "127.0.0.1", port: site.port, program: NFS.program, version: NFS.version).channel
        }
        // The first ones have caches and threads made that the others use.
        var channels = try (0..<20).map { _ in try connect() }
        let before = resident
        for _ in 0..<Self.count { channels.append(try connect()) }
        let grown = resident - before
        for channel in channels { channel.close(until: .after(seconds: 5)) }
        var result = Measurement(
            subject: "idle-connection", peer: "xfer", label: "xferd and tlssd, each idle connection", unit: "B")
        result.samples.append(Sample(value: Double(grown) / Double(Self.count)))
        return result
    }

    private var resident: Int { site.servers.reduce(0) { $0 + (ProcessTree.resident($1) ?? 0) } }
}
