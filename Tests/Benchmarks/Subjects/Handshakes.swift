import Glibc
import Handshake
import Kernel
import NFS
import RPC
import SecureChannel
import TestSupport

/// Connections made and ended again as fast as it goes, with a certificate at each end. Ours: TCP, STARTTLS, and an
/// upcall to a daemon on either side; nginx's: TCP and TLS, by `openssl s_time`.
struct Handshakes {
    let site: XferSite
    let nginx: Nginx
    let rounds: Int

    /// Seconds of one run.
    private static let span = 2.0
    static let parallel = 8

    func run() throws -> [Measurement] {
        var results: [Measurement] = []
        for clients in [1, Self.parallel] {
            let subject = clients == 1 ? "handshakes" : "handshakes-parallel"
            Progress.say("\(subject), xfer openssl-nginx")
            var ours = Measurement(
                subject: subject, peer: "xfer", label: "xferd, tlssd and tlscd, mutual TLS", unit: "1/s")
            var theirs = Measurement(
                subject: subject, peer: "openssl-nginx", label: "nginx and openssl s_time, mutual TLS", unit: "1/s")
            for round in 0..<rounds {
                if round % 2 == 0 { ours.samples.append(try measureOurs(clients)) }
                theirs.samples.append(try measureTheirs(clients))
                if round % 2 == 1 { ours.samples.append(try measureOurs(clients)) }
            }
            results += [ours, theirs]
        }
        return results
    }

    private func measureOurs(_ clients: Int) throws -> Sample {
        let securer = try site.securer()
        let port = site.port
        let began = Deadline.clock
        let end = Deadline.after(seconds: Self.span)
        let runs = try (0..<clients).map { _ in
            try Running {
                var count = 0
                while !end.hasPassed {
                    let secured = try securer.connect(
                        host: "127.0.0.1", port: port, program: NFS.program, version: NFS.version)
                    guard secured.suite == .aes128GCM else { throw Unexpected("xferd: \(secured.suite.name)") }
                    secured.channel.close(until: .after(seconds: 5))
                    count += 1
                }
                return count
            }
        }
        let count = try runs.reduce(0) { try $0 + $1.value() }
        return Sample(value: Double(count) / (Double(Deadline.clock - began) / 1e9))
    }

    private func measureTheirs(_ clients: Int) throws -> Sample {
        let workspace = site.workspace
        var outputs: [String] = []
        var programs: [TimedProgram] = []
        for index in 0..<clients {
            let output = workspace.path("log/s_time-\(index)")
            let file = try Files.open(output, O_WRONLY | O_CREAT | O_TRUNC)
            programs.append(
                try TimedProgram(
                    [
                        "openssl", "s_time", "-connect", "127.0.0.1:\(nginx.securePort)", "-new", "-tls1_3",
                        "-ciphersuites", cipherSuite, "-time", "\(Int(Self.span))", "-CAfile", workspace.anchors,
                        "-cert", workspace.clientCertificate, "-key", workspace.clientKey,
                    ], home: workspace.path("home"), errors: output + ".errors", output: file.raw))
            outputs.append(output)
        }
        var rate = 0.0
        for (program, output) in zip(programs, outputs) {
            let outcome = try program.wait()
            // "512 connections in 2.13s; ..." is processor time: the clock on the wall is ours.
            let said = contents(of: output)
            guard let line = said.split(separator: "\n").first(where: { $0.contains(" connections in ") }),
                let count = line.split(separator: " ").first.flatMap({ Double($0) })
            else { throw Unexpected("openssl s_time: \(said)") }
            rate += count / outcome.seconds
        }
        return Sample(value: rate)
    }
}

extension XferSite {
    /// Makes connections by the tlscd that runs.
    func securer() throws -> ClientSecurer {
        let daemon = HandshakeDaemon(path: try daemon(), role: .client, recordLayer: .auto)
        return ClientSecurer(daemon: daemon, mutual: true, certificateName: nil, patience: 60)
    }
}
