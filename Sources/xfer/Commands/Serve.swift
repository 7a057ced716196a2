import ArgumentParser
import Certificates
import Glibc
import Handshake
import Kernel
import SecureChannel
import Transfer

struct Serve: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Serve a directory, with everything it takes: tlssd, xferd and certificates made on first use.",
        usage: "xfer serve [<options>] <directory>",
        discussion: """
            Prints the command that fetches from it, and ends with Ctrl-C. Clients act as the user who serves; who has the \
            three files that it names may fetch, and nobody else. Certificates and state are kept for the next time; a \
            directory that holds them is not served.

              xfer serve ~/Public
              xfer serve --rw --port 20490 --address 127.0.0.1 drop

            Exit status: 0 ended by a signal, 1 it could not serve, 2 the command line makes no sense.
            """)

    @Option(name: .long, help: ArgumentHelp("The port to listen on; 0 is any that is free.", valueName: "number"))
    var port: UInt16 = 2049

    @Option(
        name: .long, help: ArgumentHelp("The address to listen on; every one where left out.", valueName: "address"))
    var address = ""

    @Flag(name: .long, help: "Let clients write.")
    var rw = false

    @Option(name: .long, help: ArgumentHelp("A name or address more for the server's certificate.", valueName: "name"))
    var name: [String] = []

    @Option(
        name: .long, help: ArgumentHelp("Where certificates and state are kept.", valueName: "dir"),
        completion: .directory)
    var state: String = StateDirectory.serve

    @Option(name: .long, help: "Who makes the TLS records: auto, kernel or user.")
    var recordLayer: String = "auto"

    @Option(name: .long, help: .hidden)
    var logLevel = "warning"

    @Argument(help: "The directory.", completion: .directory)
    var directory: String

    func validate() throws {
        guard RecordLayerChoice(rawValue: recordLayer) != nil else {
            throw ValidationError("--record-layer: '\(recordLayer)' is none of auto, kernel, user")
        }
    }

    func run() throws {
        let export = try exportName()
        StateDirectory.make(state)
        try requireSecretsElsewhere()
        let certificates = try ServeCertificates.prepare(state, more: name + (address.isEmpty ? [] : [address]))
        let signals = try SignalDescriptor([SIGINT, SIGTERM])
        let tlssd = try PrivateDaemon(
            .server,
            PrivateDaemon.Files(
                certificate: certificates.server.certificateFile, key: certificates.server.keyFile,
                anchors: certificates.anchors), more: ["--log-level", logLevel])
        defer { tlssd.stop() }
        guard let program = ChildProcess.find("xferd") else {
            throw TransferError(.local, "xferd is neither beside this program nor in PATH")
        }
        let announcement = try Pipe(capacity: 4096)
        try announcement.readEnd.setNonblocking(false)
        let host = address.contains(":") ? "[\(address)]" : address
        // Who has the client's certificate acts as who serves, whatever its user is called there.
        let options = "\(rw ? "rw" : "ro"),all_squash,anonuid=\(geteuid()),anongid=\(getegid())"
        let xferd = try ChildProcess(
            program,
            [
                "--export", "\(export)=\(directory),\(options)", "--listen", "\(host):\(port)", "--tlssd",
                tlssd.path, "--record-layer", recordLayer, "--state", state, "--announce",
                "--exit-with-standard-input", "--log-level", logLevel,
            ], output: announcement.writeEnd.raw)
        defer { xferd.stop() }
        guard let port = Self.readPort(announcement, of: xferd) else {
            throw TransferError(.local, "xferd could not start: see what it said above")
        }
        announce(export, port, certificates)
        _ = try signals.next()
    }

    /// xferd acts as who serves, who may read the keys.
    private func requireSecretsElsewhere() throws {
        guard let served = Self.components(directory), let kept = Self.components(state) else { return }
        guard !kept.starts(with: served), !served.starts(with: kept) else {
            throw TransferError(
                .local,
                "\(directory): the private keys in \(state) would be served too; --state DIR keeps them somewhere else"
            )
        }
    }

    /// Of the path without links; nil where there is none.
    private static func components(_ path: String) -> [Substring]? {
        guard let real = realpath(path, nil) else { return nil }
        defer { free(real) }
        return String(cString: real).split(separator: "/")
    }

    private func exportName() throws -> String {
        guard let real = realpath(directory, nil) else {
            throw TransferError(.local, "\(directory): \(String(cString: strerror(errno)))")
        }
        defer { free(real) }
        return "/" + (String(cString: real).split(separator: "/").last.map(String.init) ?? "root")
    }

    /// The port xferd listens on; nil where it ended instead.
    private static func readPort(_ pipe: borrowing Pipe, of child: ChildProcess) -> UInt16? {
        var text = ""
        var byte: UInt8 = 0
        while true {
            // The pipe has no end as long as its other side is open here too: that the child ended is asked for.
            guard let events = try? Poll.wait(pipe.readEnd.raw, for: Poll.readable, until: .after(seconds: 0.2)) else {
                return nil
            }
            if events == 0 {
                if child.poll() != nil { return nil }
                continue
            }
            guard read(pipe.readEnd.raw, &byte, 1) == 1 else { return nil }
            if byte == UInt8(ascii: "\n") { return UInt16(text) }
            text.append(Character(UnicodeScalar(byte)))
        }
    }

    private func announce(_ export: String, _ port: UInt16, _ certificates: ServeCertificates) {
        // Where one address alone is listened at, the host's name may lead to another.
        let name = address.isEmpty ? certificates.names.first ?? "localhost" : address
        let host = name.contains(":") ? "[\(name)]" : name
        let options =
            "port=\(port),cafile=\(certificates.anchors),cert=\(certificates.client.certificateFile),"
            + "key=\(certificates.client.keyFile)"
        print(
            """
            serving \(directory) as \(export), \(rw ? "read-write" : "read-only"), port \(port)
            whoever has these three files may fetch from it, and nobody else:
              \(certificates.anchors)
              \(certificates.client.certificateFile)
              \(certificates.client.keyFile)
            fetch from it with
              xfer get -r -o \(Self.quoted(options)) \(Self.quoted("\(host):\(export)")) .
            """)
        fflush(nil)
    }

    /// A word for a shell: as it is where that is safe, else in single quotes.
    private static func quoted(_ word: String) -> String {
        let plain = word.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
            case UInt8(ascii: "0")...UInt8(ascii: "9"): true
            default: "/.,:=_-@%+".utf8.contains(byte)
            }
        }
        if plain && !word.isEmpty { return word }
        return "'" + word.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
    }
}

/// The authority of `xfer serve` and what it issued: made when there is none, or when they do not fit any more.
struct ServeCertificates {
    let anchors: String
    let server: CertificateAuthority.Issued
    let client: CertificateAuthority.Issued
    /// What the server's certificate is for.
    let names: [String]

    static func prepare(_ directory: String, more: [String]) throws -> ServeCertificates {
        StateDirectory.make(directory)
        let pki = "\(directory)/pki"
        let authority =
            CertificateAuthority.exists(at: pki)
            ? try CertificateAuthority.open(at: pki)
            : try CertificateAuthority.create(at: pki, name: String("xfer serve on \(hostName)".prefix(64)))
        var names: [String] = []
        for name in [certifiableHostName, "localhost", "127.0.0.1", "::1"] + more where !names.contains(name) {
            names.append(name)
        }
        // Issued anew each time: nobody keeps the server's own, and its names may have changed.
        let server = try authority.issueServer(names: names, file: "server", replace: true)
        return ServeCertificates(
            anchors: authority.certificateFile, server: server, client: try client(of: authority), names: names)
    }

    /// The client's certificate is kept: people carry it away.
    private static func client(of authority: CertificateAuthority) throws -> CertificateAuthority.Issued {
        let (certificate, key) = ("\(authority.directory)/client.pem", "\(authority.directory)/client.key")
        if let description = try? CertificateDescription(file: certificate), (try? Files.open(key, O_RDONLY)) != nil,
            (description.notAfter ?? 0) > time(nil) + 30 * 86400
        {
            return CertificateAuthority.Issued(certificateFile: certificate, keyFile: key, description: description)
        }
        return try authority.issueClient(name: "client", file: "client", replace: true)
    }

    /// The host's name where a certificate can have it: one that was never set is `(none)`, which is no DNS name.
    private static var certifiableHostName: String {
        (try? AlternativeName(hostName)) == nil ? "localhost" : hostName
    }

    private static var hostName: String {
        var name = [CChar](repeating: 0, count: 256)
        gethostname(&name, name.count - 1)
        let text = String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return text.isEmpty ? "localhost" : text
    }
}
