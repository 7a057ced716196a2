import Certificates
import Glibc
import Kernel
import TestSupport
import Testing

/// xferd with tlssd, and beside them Linux's NFS client with tlshd: `data` is exported, `mountPoint` is where it is mounted.
final class MountedSite: Sendable {
    struct Setup {
        var layer = RecordLayer.kernel
        var protection = Protection.mtls
        /// What the export asks for; nil: the same.
        var demanded: Protection?
        /// Further options of xferd.
        var xferd: [String] = []
    }

    let setup: Setup
    let directory: Directory
    let pki: CertificateAuthority
    let tlssd: RunningProgram
    let tlshd: RunningProgram
    let port: UInt16
    private let server: Condition<RunningProgram>
    private let watchdog: Watchdog

    /// - Parameter seconds: a mount waits for its server for ever; after so long everything in it fails.
    /// - Throws: what is missing, or would not start.
    init(_ setup: Setup = Setup(), seconds: Double = 240) throws {
        self.setup = setup
        // A real file system: file handles and fsync mean something there.
        directory = try Directory(in: "/var/tmp")
        let path = directory.path
        chmod(path, 0o755)
        for name in ["data", "mount", "local", "state"] { mkdir("\(path)/\(name)", 0o755) }
        pki = try CertificateAuthority.create(at: path + "/pki")
        let issued = try pki.issueServer(names: ["localhost", "127.0.0.1"], file: "server", validity: nil)
        let client = try pki.issueClient(name: "me", file: "me", validity: nil)
        tlshd = try Self.startHandshakes(
            path, authority: pki.certificateFile, certificate: client.certificateFile, key: client.keyFile)
        tlssd = try RunningProgram([
            Programs.path("tlssd"), "--socket", path + "/tlssd.sock", "--cert", issued.certificateFile, "--key",
            issued.keyFile, "--ca", pki.certificateFile,
        ])
        try tlssd.logged("ready")
        let (xferd, port) = try Self.start(setup, path, port: 0)
        self.port = port
        let server = Condition(xferd)
        self.server = server
        watchdog = try Watchdog(seconds) {
            server.withLock { $0 }.signal(SIGKILL)
            umount2(path + "/mount", Int32(MNT_FORCE | MNT_DETACH))
        }
    }

    /// tlshd, once the kernel can ask it for handshakes.
    private static func startHandshakes(
        _ path: String, authority: String, certificate: String, key: String
    ) throws -> RunningProgram {
        try write(
            """
            [debug]
            loglevel=0
            [authenticate.client]
            x509.truststore=\(authority)
            x509.certificate=\(certificate)
            x509.private_key=\(key)

            """, to: path + "/tlshd.conf")
        let tlshd = try RunningProgram(["tlshd", "--stderr", "--config", path + "/tlshd.conf"])
        // It says nothing when it listens. Generic netlink is protocol 16, and nobody else here listens to a group of it.
        let listens = eventually {
            contents(of: "/proc/net/netlink").split(separator: "\n").contains { line in
                let columns = line.split(separator: " ")
                return columns.count > 3 && columns[1] == "16" && columns[3] != "00000000"
            }
        }
        guard listens else { throw Unexpected("tlshd does not listen to the kernel; it said: \(tlshd.error)") }
        return tlshd
    }

    private static func start(_ setup: Setup, _ path: String, port: UInt16) throws -> (RunningProgram, UInt16) {
        let xferd = try RunningProgram(
            [
                Programs.path("xferd"), "--export",
                "/data=\(path)/data,rw,no_root_squash,cleartext_mount,xprtsec=\((setup.demanded ?? setup.protection).rawValue)",
                "--listen", "127.0.0.1:\(port)", "--tlssd", path + "/tlssd.sock", "--state", path + "/state",
                "--record-layer", setup.layer.rawValue,
                "--announce",
            ] + setup.xferd)
        guard let port = UInt16(try xferd.line()) else { throw Unexpected("xferd announced no port: \(xferd.output)") }
        return (xferd, port)
    }

    /// The exported directory, where it is mounted, and one that has nothing to do with either.
    var data: String { directory.path + "/data" }
    var mountPoint: String { directory.path + "/mount" }
    var local: String { directory.path + "/local" }
    /// The one that runs now.
    var xferd: RunningProgram { server.withLock { $0 } }

    /// Runs mount(8).
    func mount(_ more: String = "hard") throws -> Ended {
        try RunningProgram([
            "mount", "-t", "nfs", "-o",
            "vers=3,proto=tcp,xprtsec=\(setup.protection.rawValue),nolock,port=\(port),mountport=\(port),mountproto=tcp,\(more)",
            "localhost:/data", mountPoint,
        ]).wait()
    }

    /// Runs umount(8), after which the client knows nothing of the files any more.
    func unmount() throws -> Ended { try RunningProgram(["umount", mountPoint]).wait() }

    /// SIGKILL for xferd, and another one with the same state and the same port.
    ///
    /// - Parameter between: runs while there is none.
    func restart(between: () throws -> Void = {}) throws {
        let old = xferd
        old.signal(SIGKILL)
        _ = try old.wait()
        try between()
        let (new, _) = try Self.start(setup, directory.path, port: port)
        server.withLock { $0 = new }
    }

    /// Unmounts and ends everything; every daemon must still run.
    func stop(sourceLocation: SourceLocation = #_sourceLocation) throws {
        expectDone(try unmount(), sourceLocation: sourceLocation)
        watchdog.cancel()
        for program in [xferd, tlssd] {
            #expect(
                program.ended == nil, "\(program.name) ended: \(program.error)", sourceLocation: sourceLocation)
            #expect(try program.stop().status == 0, sourceLocation: sourceLocation)
        }
        _ = try tlshd.stop()
    }

    /// After a test that failed.
    func abandon() {
        print("xferd: \(xferd.error)\ntlssd: \(tlssd.error)\ntlshd: \(tlshd.error)")
        umount2(mountPoint, Int32(MNT_FORCE | MNT_DETACH))
        watchdog.cancel()
        for program in [xferd, tlssd, tlshd] { _ = try? program.stop() }
    }
}

/// Runs `body` on a site of its own with the export mounted, all of it gone afterwards.
func withMount(
    _ setup: MountedSite.Setup = .init(), seconds: Double = 240, sourceLocation: SourceLocation = #_sourceLocation,
    _ body: (MountedSite) throws -> Void
) throws {
    let site = try MountedSite(setup, seconds: seconds)
    do {
        let mounted = try site.mount()
        guard mounted.status == 0 else { throw Unexpected("mount: \(mounted)") }
        try body(site)
        try site.stop(sourceLocation: sourceLocation)
    } catch {
        site.abandon()
        throw error
    }
}

/// It went well and says so.
func expectDone(_ ended: Ended, sourceLocation: SourceLocation = #_sourceLocation) {
    #expect(ended.status == 0, "\(ended)", sourceLocation: sourceLocation)
}
