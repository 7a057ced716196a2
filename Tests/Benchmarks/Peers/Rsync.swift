import Glibc
import TestSupport

/// What is the same for rsync however it reaches its other end: whole files, a tree with all that `-a` keeps.
enum Rsync {
    /// Not the times to the nanosecond: rsync leaves a directory as it is where the second is the same.
    static let kept: TreeComparison.Aspects = [.modes]

    /// - Parameter remote: the workspace's directory at the other end, as rsync writes it.
    static func command(_ job: CopyJob, _ options: [String], _ remote: String, _ workspace: Workspace) -> [String] {
        // A slash behind the source: what is in it goes into the target of the name.
        let slash = job.isTree ? "/" : ""
        let (source, target) = ("served/\(job.name)\(slash)", "\(job.target)/\(job.name)\(slash)")
        let flags = ["rsync", "--whole-file"] + (job.isTree ? ["-a"] : [])
        return flags + options
            + (job.isPush
                ? [workspace.path(source), "\(remote)/\(target)"] : ["\(remote)/\(source)", workspace.path(target)])
    }
}

/// rsync's own daemon behind stunnel, and stunnel at the client's side: TLS 1.3 AES-128-GCM.
final class RsyncTunnel: Peer {
    let name = "rsync-tls"
    let label = "rsync over stunnel, TLS"
    let kept = Rsync.kept
    private let workspace: Workspace
    private let daemon: Service
    private let far: Service
    private let near: Service
    private let port: UInt16

    init(_ workspace: Workspace) throws {
        self.workspace = workspace
        let place = workspace.path("rsync")
        mkdir(place, 0o755)
        let (daemonPort, farPort) = (try Service.freePort(), try Service.freePort())
        port = try Service.freePort()
        try write(
            """
            use chroot = no
            \(geteuid() == 0 ? "uid = root\ngid = root" : "")
            log file = \(place)/log
            [all]
            path = \(workspace.directory)
            read only = no

            """, to: "\(place)/rsyncd.conf")
        let common = """
            foreground = yes
            pid =
            syslog = no
            debug = info
            sslVersion = TLSv1.3
            ciphersuites = \(cipherSuite)

            """
        try write(
            common + """
                [far]
                accept = 127.0.0.1:\(farPort)
                connect = 127.0.0.1:\(daemonPort)
                cert = \(workspace.serverCertificate)
                key = \(workspace.serverKey)

                """, to: "\(place)/far.conf")
        try write(
            common + """
                [near]
                client = yes
                accept = 127.0.0.1:\(port)
                connect = 127.0.0.1:\(farPort)
                CAfile = \(workspace.anchors)
                verifyChain = yes
                checkIP = 127.0.0.1

                """, to: "\(place)/near.conf")
        daemon = try Service([
            "rsync", "--daemon", "--no-detach", "--address", "127.0.0.1", "--port", "\(daemonPort)",
            "--config", "\(place)/rsyncd.conf",
        ])
        try daemon.answers(at: daemonPort)
        far = try Service(["stunnel4", "\(place)/far.conf"])
        try far.answers(at: farPort)
        near = try Service(["stunnel4", "\(place)/near.conf"])
        try near.answers(at: port)
    }

    var servers: [pid_t] { [daemon.process, far.process] }
    var clientHelpers: [pid_t] { [near.process] }

    func command(_ job: CopyJob) -> [String]? {
        Rsync.command(job, [], "rsync://127.0.0.1:\(port)/all", workspace)
    }

    func check(errors: String) throws {
        guard near.program.error.contains(cipherSuite) else {
            throw Unexpected("stunnel: not \(cipherSuite): \(near.program.error)")
        }
    }

    func stop() { for service in [near, far, daemon] { service.stop() } }
}
