import Glibc
import TestSupport

/// An sshd with a port, keys and a configuration of its own; nothing of the machine's is read or changed.
final class SecureShell {
    let workspace: Workspace
    let port: UInt16
    private let service: Service
    private let user: String
    /// What ssh takes where it is not told.
    let standardCipher: String
    static let fastCipher = "aes128-gcm@openssh.com"

    init(_ workspace: Workspace) throws {
        self.workspace = workspace
        port = try Service.freePort()
        let place = workspace.path("ssh")
        mkdir(place, 0o700)
        for name in ["host", "client"] {
            try TimedProgram.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "\(place)/\(name)"], workspace)
        }
        try write(contents(of: "\(place)/client.pub"), to: "\(place)/authorized_keys")
        try write("[127.0.0.1]:\(port) " + contents(of: "\(place)/host.pub"), to: "\(place)/known_hosts")
        try write(
            """
            ListenAddress 127.0.0.1
            Port \(port)
            HostKey \(place)/host
            AuthorizedKeysFile \(place)/authorized_keys
            PasswordAuthentication no
            PermitRootLogin yes
            StrictModes no
            UsePAM no
            PidFile none
            Subsystem sftp internal-sftp

            """, to: "\(place)/sshd_config")
        // sshd as root wants the empty directory that Debian's service makes at boot.
        if geteuid() == 0 { mkdir("/run/sshd", 0o755) }
        service = try Service(["/usr/sbin/sshd", "-D", "-e", "-f", "\(place)/sshd_config"])
        try service.answers(at: port)
        guard let name = getpwuid(geteuid())?.pointee.pw_name else { throw Unexpected("this user has no name") }
        user = String(cString: name)
        let said = try TimedProgram.run(
            ["ssh", "-v"] + Self.options(workspace, port, "-p") + ["\(user)@127.0.0.1", "true"], workspace)
        let line = said.split(separator: "\n").first { $0.contains("kex: server->client cipher: ") }
        guard let cipher = line?.split(separator: " ").drop(while: { $0 != "cipher:" }).dropFirst().first else {
            throw Unexpected("ssh does not say which cipher it uses: \(said)")
        }
        standardCipher = String(cipher)
    }

    private static func options(_ workspace: Workspace, _ port: UInt16, _ portOption: String) -> [String] {
        let place = workspace.path("ssh")
        return [
            "-F", "/dev/null", "-i", "\(place)/client", portOption, "\(port)", "-o", "BatchMode=yes",
            "-o", "UserKnownHostsFile=\(place)/known_hosts", "-o", "StrictHostKeyChecking=yes",
        ]
    }

    var process: pid_t { service.process }
    var host: String { "\(user)@127.0.0.1" }

    /// Options of ssh and scp.
    func options(cipher: String?, portOption: String = "-p") -> [String] {
        Self.options(workspace, port, portOption) + (cipher.map { ["-c", $0] } ?? [])
    }

    func stop() { service.stop() }
}

/// scp, by the SFTP protocol as it is since OpenSSH 9.
final class SecureCopy: Peer {
    let name: String
    let label: String
    private let shell: SecureShell
    private let cipher: String?

    /// - Parameter cipher: nil: ssh's own choice.
    init(_ shell: SecureShell, cipher: String?) {
        (self.shell, self.cipher) = (shell, cipher)
        name = cipher == nil ? "scp" : "scp-aes"
        label = "scp, \(shortCipher(cipher ?? shell.standardCipher))"
    }

    var servers: [pid_t] { [shell.process] }

    func command(_ job: CopyJob) -> [String]? {
        let options = ["scp", "-q"] + (job.isTree ? ["-r"] : []) + shell.options(cipher: cipher, portOption: "-P")
        let (source, target) = ("served/\(job.name)", "\(job.target)/\(job.name)")
        let workspace = shell.workspace
        return job.isPush
            ? options + [workspace.path(source), "\(shell.host):\(workspace.path(target))"]
            : options + ["\(shell.host):\(workspace.path(source))", workspace.path(target)]
    }
}

/// rsync that starts its other end by ssh.
final class RsyncShell: Peer {
    let name: String
    let label: String
    let kept = Rsync.kept
    private let shell: SecureShell
    private let cipher: String?

    init(_ shell: SecureShell, cipher: String?) {
        (self.shell, self.cipher) = (shell, cipher)
        name = cipher == nil ? "rsync-ssh" : "rsync-ssh-aes"
        label = "rsync over ssh, \(shortCipher(cipher ?? shell.standardCipher))"
    }

    var servers: [pid_t] { [shell.process] }

    func command(_ job: CopyJob) -> [String]? {
        let ssh = (["ssh"] + shell.options(cipher: cipher)).joined(separator: " ")
        return Rsync.command(job, ["-e", ssh], "\(shell.host):\(shell.workspace.directory)", shell.workspace)
    }
}

/// `chacha20-poly1305@openssh.com` without its domain.
private func shortCipher(_ name: String) -> String { name.split(separator: "@").first.map(String.init) ?? name }
