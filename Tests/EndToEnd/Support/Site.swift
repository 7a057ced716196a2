import Certificates
import Glibc
import SecureChannel
import TestSupport
import Testing

/// Everything on loopback: an authority, tlssd, xferd with `/data` read-write and `/public` read-only, and a client's files.
final class Site: Sendable {
    let layer: Layer
    let directory: Directory
    let pki: CertificateAuthority
    let server: CertificateAuthority.Issued
    let client: CertificateAuthority.Issued
    let tlssd: RunningProgram
    let xferd: RunningProgram
    let port: UInt16

    struct Setup {
        /// The file system of all files: see ``Directory``.
        var place = "/dev/shm"
        var listen = "127.0.0.1:0"
        var xferd: [String] = []
        var tlssd: [String] = []
        var serverNames = ["localhost", "127.0.0.1", "::1"]
        var serverValidity: Validity?
        var clientValidity: Validity?
        /// `user@domain` in the client's certificate.
        var clientUser: String?
    }

    init(_ layer: Layer, _ setup: Setup = Setup()) throws {
        self.layer = layer
        directory = try Directory(in: setup.place)
        let path = directory.path
        pki = try CertificateAuthority.create(at: path + "/pki")
        server = try pki.issueServer(names: setup.serverNames, file: "server", validity: setup.serverValidity)
        client = try pki.issueClient(
            name: "me", alternativeNames: setup.clientUser.map { [$0] } ?? [], file: "me",
            validity: setup.clientValidity)
        for name in ["data", "public", "local"] { mkdir("\(path)/\(name)", 0o755) }
        tlssd = try RunningProgram(
            [
                Programs.path("tlssd"), "--socket", path + "/tlssd.sock", "--cert", server.certificateFile, "--key",
                server.keyFile, "--ca", pki.certificateFile,
            ] + setup.tlssd)
        try tlssd.logged("ready")
        xferd = try RunningProgram(
            [
                Programs.path("xferd"), "--export", "/data=\(path)/data,rw,no_root_squash",
                "--export", "/public=\(path)/public,ro,no_root_squash",
                "--listen", setup.listen, "--tlssd", path + "/tlssd.sock", "--record-layer", layer.rawValue,
                "--announce",
                "--log-level", "debug",
            ] + setup.xferd)
        guard let port = UInt16(try xferd.line()) else { throw Unexpected("xferd announced no port: \(xferd.output)") }
        self.port = port
    }

    /// The exported read-write and read-only directories, and the client's own.
    var data: String { directory.path + "/data" }
    var published: String { directory.path + "/public" }
    var local: String { directory.path + "/local" }

    var credentials: String { "cafile=\(pki.certificateFile),cert=\(client.certificateFile),key=\(client.keyFile)" }

    /// Starts xfer; `arguments` come behind the options.
    func start(
        _ command: String, _ arguments: [String], options: String? = nil, port: UInt16? = nil,
        environment: [String] = []
    ) throws -> RunningProgram {
        try RunningProgram(
            [Programs.path("xfer"), command, "--record-layer", layer.rawValue, "-o", "port=\(port ?? self.port)"]
                + ["-o", options ?? credentials] + arguments,
            environment: ["HOME=\(directory.path)/home"] + environment, directory: local)
    }

    /// Runs xfer to its end.
    func xfer(
        _ command: String, _ arguments: String..., options: String? = nil, port: UInt16? = nil
    ) throws -> Ended {
        try start(command, arguments, options: options, port: port).wait()
    }

    /// Starts a tlscd with the client's files and waits until it answers.
    func startDaemon(_ more: String...) throws -> (program: RunningProgram, socket: String) {
        let socket = directory.path + "/tlscd.sock"
        let tlscd = try RunningProgram(
            [
                Programs.path("tlscd"), "--socket", socket, "--cert", client.certificateFile, "--key", client.keyFile,
                "--ca",
                pki.certificateFile,
            ] + more)
        try tlscd.logged("ready")
        return (tlscd, socket)
    }

    /// Stops the daemons: both must still run, and end as they should.
    func stop(sourceLocation: SourceLocation = #_sourceLocation) throws {
        #expect(xferd.ended == nil, "xferd ended: \(xferd.error)", sourceLocation: sourceLocation)
        #expect(tlssd.ended == nil, "tlssd ended: \(tlssd.error)", sourceLocation: sourceLocation)
        #expect(try xferd.stop().status == 0, sourceLocation: sourceLocation)
        #expect(try tlssd.stop().status == 0, sourceLocation: sourceLocation)
    }
}

/// Runs `body` on a site of its own, all of it gone afterwards.
func withSite(
    _ layer: Layer, _ setup: Site.Setup = Site.Setup(), sourceLocation: SourceLocation = #_sourceLocation,
    _ body: (Site) throws -> Void
) throws {
    let site = try Site(layer, setup)
    do {
        try body(site)
    } catch {
        _ = try? site.xferd.stop()
        _ = try? site.tlssd.stop()
        throw error
    }
    try site.stop(sourceLocation: sourceLocation)
}

/// It went well and says so.
func expectDone(_ ended: Ended, sourceLocation: SourceLocation = #_sourceLocation) {
    #expect(ended.status == 0, "\(ended)", sourceLocation: sourceLocation)
}

/// It failed with this status and a message with all these words.
func expectFailure(
    _ ended: Ended, status: Int32 = 1, _ words: String..., sourceLocation: SourceLocation = #_sourceLocation
) {
    #expect(ended.status == status, "\(ended)", sourceLocation: sourceLocation)
    for word in words {
        #expect(
            ended.error.contains(word), "the message lacks '\(word)': \(ended.error)", sourceLocation: sourceLocation)
    }
}

/// A file is there and has these bytes. The bytes themselves, which may be millions, are no message.
func expectFile(_ path: String, _ expected: [UInt8], sourceLocation: SourceLocation = #_sourceLocation) {
    guard let found = bytes(of: path) else {
        Issue.record("\(path): is not there", sourceLocation: sourceLocation)
        return
    }
    // Found first by memcmp: byte by byte takes seconds.
    if found == expected { return }
    let difference =
        zip(found, expected).enumerated().first { $1.0 != $1.1 }?.offset ?? min(found.count, expected.count)
    Issue.record(
        "\(path): \(found.count) bytes, expected \(expected.count), not the same from \(difference) on",
        sourceLocation: sourceLocation)
}
