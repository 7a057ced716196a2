import Glibc
import Handshake
import Kernel
import NFS
import RPC
import SecureChannel
import TestSupport

/// Calls for each second over one connection: one after the other, and many in flight; beside curl, which asks nginx for
/// an empty file over one connection again and again.
struct Calls {
    let site: XferSite
    let nginx: Nginx
    let rounds: Int

    private static let span = 1.0
    static let inFlight = 64
    private static let curlRequests = 5000

    func run() async throws -> [Measurement] {
        Progress.say("calls, xfer curl-tls")
        let secured = try site.securer().connect(
            host: "127.0.0.1", port: site.port, program: NFS.program, version: NFS.version)
        let client = try Client(
            secured.channel, patience: 60, credential: .system(uid: geteuid(), gid: getegid(), groups: []))
        defer { client.close() }
        let root = try await mount(client)
        try Content.file(site.workspace.path("served/empty"), size: 0)
        let attributes = try XDRCoder.encode(root)
        var null = measurement("calls-null", "xfer", "NULL, one at a time")
        var getattr = measurement("calls-getattr", "xfer", "GETATTR, one at a time")
        var window = measurement("calls-getattr-parallel", "xfer", "GETATTR, \(Self.inFlight) in flight")
        var curl = measurement("calls-null", "curl-tls", "curl, empty file of nginx, one at a time")
        for _ in 0..<rounds {
            null.samples.append(try await measure(client, .null, [], 1))
            curl.samples.append(try measureCurl())
            getattr.samples.append(try await measure(client, .getAttr, attributes, 1))
            window.samples.append(try await measure(client, .getAttr, attributes, Self.inFlight))
        }
        return [null, getattr, window, curl]
    }

    private func measurement(_ subject: String, _ peer: String, _ label: String) -> Measurement {
        Measurement(subject: subject, peer: peer, label: label, unit: "1/s")
    }

    private func mount(_ client: Client) async throws -> FileHandle {
        let reply = try await client.call(
            program: Mount.program, version: Mount.version, procedure: Mount.ProcedureNumber.mnt.rawValue,
            arguments: try Mount.encode(path: FileName("/served")))
        return try reply.results.withUnsafeBytes { try Mount.decodeMnt($0, subject: "/served") }.root
    }

    private func measure(
        _ client: Client, _ procedure: NFS.ProcedureNumber, _ arguments: [UInt8], _ tasks: Int
    ) async throws -> Sample {
        let began = Deadline.clock
        let end = Deadline.after(seconds: Self.span)
        let count = try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<tasks {
                group.addTask {
                    var count = 0
                    while !end.hasPassed {
                        let reply = try await client.call(
                            program: NFS.program, version: NFS.version, procedure: procedure.rawValue,
                            arguments: arguments)
                        if procedure == .getAttr, reply.results.prefix(4) != [0, 0, 0, 0] {
                            throw Unexpected("GETATTR: \(reply.results)")
                        }
                        count += 1
                    }
                    return count
                }
            }
            return try await group.reduce(0, +)
        }
        return Sample(value: Double(count) / (Double(Deadline.clock - began) / 1e9))
    }

    private func measureCurl() throws -> Sample {
        let url = nginx.url("served/empty?[1-\(Self.curlRequests)]", secure: true)
        let outcome = try TimedProgram(
            nginx.curl + ["-o", "/dev/null", url], home: site.workspace.path("home"),
            errors: site.workspace.path("log/curl-calls")
        ).wait()
        return Sample(value: Double(Self.curlRequests) / outcome.seconds)
    }
}
