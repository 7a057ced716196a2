import Certificates
import Glibc
import Kernel
import TestSupport

/// Everything on loopback, as ``Site`` has it, with daemons that can be killed and come back where they were.
final class KillSite {
    /// Who is killed.
    enum Victim: String, CaseIterable { case client, xferd, tlssd, tlscd }

    let layer: Layer
    let directory: Directory
    private let pki: CertificateAuthority
    private let client: CertificateAuthority.Issued
    private let server: CertificateAuthority.Issued
    private(set) var port: UInt16 = 0
    private(set) var xferd: RunningProgram?
    private(set) var tlssd: RunningProgram?
    private(set) var tlscd: RunningProgram?
    private let serverOptions: [String]

    /// - Parameter serverOptions: further ones of xferd.
    init(_ layer: Layer, serverOptions: [String] = []) throws {
        self.layer = layer
        self.serverOptions = serverOptions
        directory = try Directory()
        let path = directory.path
        pki = try CertificateAuthority.create(at: path + "/pki")
        server = try pki.issueServer(names: ["localhost"], file: "server")
        client = try pki.issueClient(name: "me", alternativeNames: [], file: "me")
        for name in ["data", "local", "state"] { mkdir("\(path)/\(name)", 0o755) }
        try startTlssd()
        try startTlscd()
        try startXferd()
    }

    deinit { for program in [xferd, tlssd, tlscd] { program?.signal(SIGKILL) } }

    var data: String { directory.path + "/data" }
    var local: String { directory.path + "/local" }

    private func startTlssd() throws {
        tlssd = try daemon("tlssd", server, ["--socket", directory.path + "/tlssd.sock"])
    }

    private func startTlscd() throws {
        tlscd = try daemon("tlscd", client, ["--socket", directory.path + "/tlscd.sock"])
    }

    private func daemon(
        _ name: String, _ files: CertificateAuthority.Issued, _ more: [String]
    ) throws -> RunningProgram {
        let program = try RunningProgram(
            [
                Programs.path(name), "--cert", files.certificateFile, "--key", files.keyFile, "--ca",
                pki.certificateFile,
            ] + more)
        try program.logged("ready")
        return program
    }

    private func startXferd() throws {
        let program = try RunningProgram(
            [
                Programs.path("xferd"), "--export", "/data=\(data),rw,no_root_squash", "--listen",
                "127.0.0.1:\(port)", "--tlssd", directory.path + "/tlssd.sock", "--record-layer", layer.rawValue,
                "--state", directory.path + "/state", "--announce",
            ] + serverOptions)
        guard let port = UInt16(try program.line()) else {
            throw Unexpected("xferd announced no port: \(program.output) \(program.error)")
        }
        self.port = port
        xferd = program
    }

    /// Starts xfer.
    ///
    /// - Parameters:
    ///   - arguments: behind the options.
    ///   - isPrivate: whether it runs a tlscd of its own.
    ///   - port: where another than xferd itself is asked.
    ///   - input: the file that is its standard input.
    func xfer(
        _ command: String, _ arguments: [String], isPrivate: Bool = true, port: UInt16? = nil,
        input: String = "/dev/null"
    ) throws -> RunningProgram {
        let credentials =
            isPrivate
            ? "cafile=\(pki.certificateFile),cert=\(client.certificateFile),key=\(client.keyFile)"
            : "tlscd=\(directory.path)/tlscd.sock"
        return try RunningProgram(
            [
                Programs.path("xfer"), command, "--record-layer", layer.rawValue, "-o",
                "hard,port=\(port ?? self.port),\(credentials)",
            ] + arguments, environment: ["HOME=\(directory.path)/home"], directory: local, input: input)
    }

    /// Kills a daemon and starts it again where it was.
    func restart(_ victim: Victim) throws {
        switch victim {
        case .client: break
        case .xferd:
            try kill(xferd)
            try startXferd()
        case .tlssd:
            try kill(tlssd)
            try startTlssd()
        case .tlscd:
            try kill(tlscd)
            try startTlscd()
        }
    }

    /// SIGKILL, and all of it gone.
    func kill(_ program: RunningProgram?) throws {
        guard let program else { return }
        guard program.ended == nil else {
            throw Unexpected("\(program.name) ended before it was killed: \(program.error)")
        }
        program.signal(SIGKILL)
        let ended = try program.wait(seconds: 30)
        guard ended.status == 128 + SIGKILL else { throw Unexpected("\(program.name) was not killed: \(ended)") }
    }

    /// Stops the daemons, which must still run.
    func stop() throws {
        for program in [xferd, tlssd, tlscd] {
            guard let program else { continue }
            let ended = try program.stop()
            guard ended.status == 0 else { throw Unexpected("\(program.name): \(ended)") }
        }
    }

    /// The tlscd that a client runs for itself.
    static func privateDaemon(of client: RunningProgram) -> pid_t? {
        for name in names(in: "/proc") {
            guard let process = pid_t(name) else { continue }
            // proc(5): pid (name) state ppid
            let words = contents(of: "/proc/\(name)/stat").split(separator: " ")
            if words.count > 3, words[1] == "(tlscd)", words[3] == "\(client.process)" { return process }
        }
        return nil
    }
}
