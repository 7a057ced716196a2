import Certificates
import Glibc
import Kernel
import TestSupport
import Testing

/// Linux's own NFS server with its mountd, its rpcbind and tlshd, and what xfer needs to be its client. A kernel has one
/// NFS server, so one at a time.
final class KernelServerSite: Sendable {
    let directory: Directory
    private let pki: CertificateAuthority
    private let client: CertificateAuthority.Issued
    private let daemons: [RunningProgram]

    /// Of rpc.mountd.
    static let mountPort = 20048

    /// Exports `secure` with TLS, `plain` without, `hidden` to somebody else, and `relayed` as `secure`, but to clients
    /// with any port, as a relay has.
    ///
    /// `secure` takes TLS with and without a certificate, as this kernel could not tell one from the other: Debian's
    /// user-mode-linux has no asymmetric keys (add_key(2): ENODEV), in which tlshd gives nfsd the client's certificate.
    /// That the client shows one is tlshd's doing, and in its log.
    init() throws {
        directory = try Directory(in: "/var/tmp")
        let path = directory.path
        chmod(path, 0o755)
        for name in ["secure", "plain", "hidden", "relayed", "local"] { mkdir("\(path)/\(name)", 0o755) }
        pki = try CertificateAuthority.create(at: path + "/pki")
        let server = try pki.issueServer(names: ["localhost", "127.0.0.1"], file: "server", validity: nil)
        client = try pki.issueClient(name: "me", file: "me", validity: nil)
        try write(
            """
            [debug]
            loglevel=1
            [authenticate.server]
            x509.truststore=\(pki.certificateFile)
            x509.certificate=\(server.certificateFile)
            x509.private_key=\(server.keyFile)

            """, to: path + "/tlshd.conf")
        let tlshd = try RunningProgram(["tlshd", "--stderr", "--config", path + "/tlshd.conf"])
        let rpcbind = try RunningProgram(["rpcbind", "-w", "-f", "-h", "127.0.0.1"])
        try Self.eventuallyDone("rpcinfo -p 127.0.0.1")
        let options = "no_subtree_check,no_root_squash"
        try shell(
            """
            exportfs -i -o rw,\(options),fsid=1,xprtsec=tls:mtls '*:\(path)/secure'
            exportfs -i -o rw,\(options),fsid=2,xprtsec=none '*:\(path)/plain'
            exportfs -i -o ro,\(options),fsid=3 '10.99.0.0/16:\(path)/hidden'
            exportfs -i -o rw,\(options),fsid=4,xprtsec=tls:mtls,insecure '*:\(path)/relayed'
            rpc.nfsd -V 3 -N 4 4
            """, in: path)
        let mountd = try RunningProgram(["rpc.mountd", "-F", "-N", "4", "-p", "\(Self.mountPort)"])
        try Self.eventuallyDone("rpcinfo -t 127.0.0.1 mountd 3")
        daemons = [mountd, tlshd, rpcbind]
    }

    private static func eventuallyDone(_ command: String) throws {
        guard eventually(within: 60, { (try? shell(command, in: "/")) != nil }) else {
            throw Unexpected("\(command): does not succeed")
        }
    }

    var secure: String { directory.path + "/secure" }
    var plain: String { directory.path + "/plain" }
    var hidden: String { directory.path + "/hidden" }
    var relayed: String { directory.path + "/relayed" }
    var local: String { directory.path + "/local" }
    /// What tlshd said.
    var handshakes: String { daemons[1].error }

    /// `-o` for mutual TLS with this site's certificates.
    var credentials: String { "cafile=\(pki.certificateFile),cert=\(client.certificateFile),key=\(client.keyFile)" }

    /// Starts a tlscd with the client's files and waits until it answers.
    func startDaemon() throws -> (program: RunningProgram, socket: String) {
        let socket = directory.path + "/tlscd.sock"
        let tlscd = try RunningProgram([
            Programs.path("tlscd"), "--socket", socket, "--cert", client.certificateFile, "--key", client.keyFile,
            "--ca", pki.certificateFile,
        ])
        try tlscd.logged("ready")
        return (tlscd, socket)
    }

    /// Starts xfer in ``local``.
    ///
    /// - Parameter options: behind the credentials; nil: no credentials either.
    func start(_ command: String, _ arguments: [String], _ options: String) throws -> RunningProgram {
        try RunningProgram(
            [Programs.path("xfer"), command, "-o", options] + arguments,
            environment: ["HOME=\(directory.path)/home"], directory: local)
    }

    /// Runs xfer to its end, with MOUNT in cleartext.
    func xfer(_ command: String, _ arguments: String...) throws -> Ended {
        try start(command, arguments, credentials + ",cleartext_mount").wait(seconds: 240)
    }

    /// Stops nfsd, and starts it again: its write verifier is another one, and connections are gone.
    func restart() throws { try shell("rpc.nfsd 0; rpc.nfsd -V 3 -N 4 4", in: "/") }

    func stop() {
        _ = try? shell("rpc.nfsd 0; exportfs -ua", in: "/")
        for daemon in daemons { _ = try? daemon.stop() }
    }
}

/// Runs `body` on a site of its own, all of it gone afterwards.
func withKernelServer(_ body: (KernelServerSite) throws -> Void) throws {
    let site = try KernelServerSite()
    defer { site.stop() }
    do {
        try body(site)
    } catch {
        print("tlshd: \(site.handshakes)")
        throw error
    }
}
