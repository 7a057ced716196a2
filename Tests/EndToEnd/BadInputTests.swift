import Certificates
import Glibc
import TestSupport
import Testing

/// What is wrong is named with its reason, and the exit status says that nothing was done.
@Suite struct BadInputTests {
    // MARK: Certificates

    @Test(arguments: Layer.available) func issuersNobodyTrusts(layer: Layer) throws {
        try withSite(layer) { site in
            let other = try CertificateAuthority.create(at: site.directory.path + "/other", name: "somebody else")
            let stranger = try other.issueClient(name: "stranger")
            // The server is a stranger to the client
            expectFailure(
                try site.xfer(
                    "ls", "localhost:/data",
                    options:
                        "cafile=\(other.certificateFile),cert=\(site.client.certificateFile),key=\(site.client.keyFile)"
                ),
                "127.0.0.1", "handshake failed", "CN=localhost", "issue")
            // The client is one to the server
            expectFailure(
                try site.xfer(
                    "ls", "localhost:/data",
                    options:
                        "cafile=\(site.pki.certificateFile),cert=\(stranger.certificateFile),key=\(stranger.keyFile)"),
                "localhost", "refuses this end's certificate")
            try site.tlssd.logged("CN=stranger")
            try site.xferd.logged("CN=stranger")
        }
    }

    @Test(arguments: Layer.available) func theWrongName(layer: Layer) throws {
        var setup = Site.Setup()
        setup.serverNames = ["files.example.net", "192.0.2.7"]
        try withSite(layer, setup) { site in
            expectFailure(try site.xfer("ls", "localhost:/data"), "files.example.net", "192.0.2.7", "localhost")
            expectFailure(try site.xfer("ls", "127.0.0.1:/data"), "192.0.2.7", "127.0.0.1")
            expectFailure(
                try site.xfer("ls", "localhost:/data", options: site.credentials + ",tlscertname=other.example.net"),
                "other.example.net", "files.example.net")
            expectDone(
                try site.xfer("ls", "localhost:/data", options: site.credentials + ",tlscertname=files.example.net"))
        }
    }

    @Test(arguments: Layer.available) func certificatesOfAnotherTime(layer: Layer) throws {
        let now = time(nil)
        let past = Validity(notBefore: now - 20 * 86400, notAfter: now - 10 * 86400)
        let future = Validity(notBefore: now + 10 * 86400, notAfter: now + 20 * 86400)
        for (validity, word) in [(past, "expired"), (future, "not valid before")] {
            var setup = Site.Setup()
            setup.serverValidity = validity
            try withSite(layer, setup) { site in
                expectFailure(try site.xfer("ls", "localhost:/data"), "CN=localhost", word)
            }
            setup = Site.Setup()
            setup.clientValidity = validity
            try withSite(layer, setup) { site in
                expectFailure(try site.xfer("ls", "localhost:/data"), "certificate")
                try site.xferd.logged(word)
            }
        }
    }

    @Test(.notInTheLab) func filesThatDoNotFit() throws {
        try withSite(.user) { site in
            let path = site.directory.path
            let (ca, cert, key) = (site.pki.certificateFile, site.client.certificateFile, site.client.keyFile)
            expectFailure(
                try site.xfer("ls", "localhost:/data", options: "cafile=\(ca),cert=\(cert),key=\(site.server.keyFile)"),
                site.server.keyFile, cert)
            for (options, missing) in [
                ("cafile=\(path)/none.pem,cert=\(cert),key=\(key)", "\(path)/none.pem"),
                ("cafile=\(ca),cert=\(path)/none.pem,key=\(key)", "\(path)/none.pem"),
                ("cafile=\(ca),cert=\(cert),key=\(path)/none.key", "\(path)/none.key"),
            ] {
                expectFailure(
                    try site.xfer("ls", "localhost:/data", options: options), missing, "No such file or directory")
            }
            try write("no PEM", to: path + "/text")
            expectFailure(
                try site.xfer("ls", "localhost:/data", options: "cafile=\(path)/text,cert=\(cert),key=\(key)"),
                path + "/text")
            expectFailure(
                try site.xfer("ls", "localhost:/data", options: "cafile=\(ca),cert=\(cert)"), status: 2, "key=")
            for program in ["tlssd", "tlscd"] {
                let ended = try RunningProgram([
                    Programs.path(program), "--socket", path + "/x.sock", "--cert", cert, "--key", site.server.keyFile,
                    "--ca", ca,
                ]).wait()
                #expect(ended.status != 0)
                #expect(ended.error.contains(site.server.keyFile), "\(ended)")
            }
        }
    }

    @Test(.notInTheLab) func usersOfNoDomain() throws {
        for (options, words) in [
            (["--domain", "example.org"], ["--domain goes with --certuser"]),
            (["--certuser", "--domain", ""], ["--domain"]),
            (["--certuser", "--domain", "a@b"], ["--domain", "a@b"]),
        ] {
            let ended = try RunningProgram([Programs.path("tlssd"), "--socket", "x.sock"] + options).wait()
            #expect(ended.status == 64 && words.allSatisfy(ended.error.contains), "\(ended)")
        }
        let client = try RunningProgram([Programs.path("tlscd"), "--socket", "x.sock", "--certuser"]).wait()
        #expect(client.status == 64 && client.error.contains("--certuser"), "\(client)")
    }

    /// The certificate's user is looked up where tlssd is told to, and the log says who it is.
    @Test(arguments: Layer.available) func aCertificatesUser(_ layer: Layer) throws {
        var setup = Site.Setup()
        setup.tlssd = ["--certuser", "--domain", "Example.ORG", "--log-level", "info"]
        setup.clientUser = "nobody@example.org"
        try withSite(layer, setup) { site in
            #expect(try site.xfer("ls", "localhost:/data").status == 0)
            try site.tlssd.logged("nobody@example.org (uid 65534)")
        }
    }

    // MARK: Servers

    @Test(.notInTheLab) func aServerThatIsNotThere() throws {
        try withSite(.user) { site in
            let port = try FakeServer { _ in }.port
            expectFailure(
                try site.xfer("ls", "127.0.0.1:/data", port: port), "cannot connect to 127.0.0.1:\(port)",
                "Connection refused")
            expectFailure(
                try site.xfer("ls", "no-such-host.invalid:/data"), "cannot resolve 'no-such-host.invalid'")
        }
    }

    @Test(
        .notInTheLab,
        arguments: [
            "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
            "220 mail\r\n",
        ])
    func oneThatDoesNotSpeakRPC(greeting: String) throws {
        try withSite(.user) { site in
            let server = try FakeServer { connection in
                connection.send(greeting.utf8)
                connection.receiveToTheEnd()
            }
            expectFailure(
                try site.xfer("ls", "127.0.0.1:/data", port: server.port), "127.0.0.1:\(server.port)",
                "does not speak RPC")
            #expect(server.bytes.count <= RPCBytes.probeCount)
        }
    }

    @Test(.notInTheLab) func oneThatSaysNothingOrLeaves() throws {
        try withSite(.user) { site in
            let silent = try FakeServer { $0.receiveToTheEnd() }
            let begin = monotonicSeconds()
            let ended = try site.xfer(
                "ls", "127.0.0.1:/data", options: site.credentials + ",timeo=10", port: silent.port)
            expectFailure(ended, "127.0.0.1:\(silent.port)", "did not answer", "1.0 s")
            #expect(monotonicSeconds() - begin < 15)
            let leaving = try FakeServer { _ = $0.receive() }
            expectFailure(
                try site.xfer("ls", "127.0.0.1:/data", port: leaving.port), "127.0.0.1:\(leaving.port)",
                "closed the connection")
            // STARTTLS, and then not a word of TLS
            let mute = try FakeServer { connection in
                _ = connection.receive(exactly: RPCBytes.probeCount)
                connection.send(RPCBytes.record(connection.transactionOfProbe() + RPCBytes.startTLS.dropFirst(8)))
                connection.receiveToTheEnd()
            }
            expectFailure(
                try site.xfer("ls", "127.0.0.1:/data", options: site.credentials + ",timeo=10", port: mute.port),
                "127.0.0.1:\(mute.port)", "handshake")
        }
    }

    /// Answers of servers that speak RPC and not RPC-with-TLS; behind their transaction number.
    static let answers: [(name: String, words: [UInt8])] = [
        ("AUTH_ERROR, AUTH_REJECTEDCRED", RPCBytes.words(1, 1, 1, 2)),
        ("success without STARTTLS", RPCBytes.words(1, 0, 0, 0, 0)),
        ("success with another verifier", RPCBytes.words(1, 0, 0, 8) + Array("STARTSSL".utf8) + RPCBytes.words(0)),
        ("PROG_UNAVAIL", RPCBytes.words(1, 0, 0, 0, 1)),
        ("RPC_MISMATCH", RPCBytes.words(1, 1, 0, 3, 3)),
    ]

    @Test(.notInTheLab, arguments: answers.indices) func oneThatSpeaksRPCWithoutTLSGetsNothing(index: Int) throws {
        let answer = Self.answers[index]
        try withSite(.user) { site in
            let server = try FakeServer { connection in
                _ = connection.receive(exactly: RPCBytes.probeCount)
                connection.send(RPCBytes.record(connection.transactionOfProbe() + answer.words))
                connection.receiveToTheEnd()
            }
            try write("secret", to: site.local + "/f")
            for options in [site.credentials, site.credentials + ",xprtsec=tls"] {
                expectFailure(
                    try site.xfer("put", "f", "127.0.0.1:/data", options: options, port: server.port),
                    "127.0.0.1:\(server.port)", "not RPC-with-TLS", "nothing was sent")
            }
            #expect(server.bytes.count == 2 * RPCBytes.probeCount, "\(answer.name)")
            // But for its number it is the probe of RFC 9289.
            for probe in [server.bytes.prefix(RPCBytes.probeCount), server.bytes.suffix(RPCBytes.probeCount)] {
                #expect(Array(probe.dropFirst(8)) == Array(RPCBytes.probe.dropFirst(8)))
            }
        }
    }

    // MARK: Paths

    @Test(arguments: Layer.available) func pathsOutsideOfTheExports(layer: Layer) throws {
        try withSite(layer) { site in
            try write("secret", to: site.directory.path + "/secret")
            symlink("../secret", site.data + "/link")
            symlink("..", site.data + "/up")
            expectFailure(try site.xfer("ls", "localhost:/"), "localhost:/", "not in any export", "/data", "/public")
            expectFailure(try site.xfer("get", "localhost:/etc/passwd"), "localhost:/etc/passwd", "not in any export")
            expectFailure(try site.xfer("get", "localhost:/database"), "localhost:/database", "not in any export")
            expectFailure(try site.xfer("get", "localhost:/data/../secret"), status: 2, "'..'", "/data/../secret")
            expectFailure(
                try site.xfer("get", "localhost:/data/link"), "localhost:/data/link", "neither a file nor a directory")
            expectFailure(
                try site.xfer("get", "localhost:/data/up/secret"), "localhost:/data/up/secret", "ot a directory")
            #expect(names(in: site.local) == [])
        }
    }

    @Test(arguments: Layer.available) func aReadOnlyExport(layer: Layer) throws {
        try withSite(layer) { site in
            try write("old", to: site.published + "/f")
            try write("new", to: site.local + "/f")
            mkdir(site.local + "/d", 0o755)
            expectFailure(try site.xfer("put", "f", "localhost:/public"), "localhost:/public/f", "ead-only")
            expectFailure(try site.xfer("put", "-r", "d", "localhost:/public"), "localhost:/public/d", "ead-only")
            expectFailure(
                try site.xfer("put", "f", "localhost:/data", options: site.credentials + ",ro"), "localhost:/data",
                "read-only")
            #expect(contents(of: site.published + "/f") == "old")
            #expect(names(in: site.published) == ["f"] && names(in: site.data) == [])
        }
    }

    // MARK: Disks

    static let isRoot = geteuid() == 0

    @Test(
        .enabled(if: isRoot, "a small file system is mounted by root; not in the kTLS lab, where we are"),
        arguments: Layer.available)
    func aFullDiskAtTheServer(layer: Layer) throws {
        try withSite(layer) { site in
            let disk = try SmallFileSystem(at: site.data + "/disk", size: "4m")
            // The export's file system is another one, and it is not crossed: this one is exported itself.
            let xferd = try RunningProgram([
                Programs.path("xferd"), "--export", "/small=\(disk.path),rw,no_root_squash", "--listen", "127.0.0.1:0",
                "--tlssd",
                site.directory.path + "/tlssd.sock", "--record-layer", layer.rawValue, "--announce",
            ])
            let port = try #require(UInt16(try xferd.line()))
            try write("old", to: disk.path + "/f")
            try sparse(site.local + "/f", 8 << 20)
            expectFailure(
                try site.xfer("put", "f", "localhost:/small", port: port), "localhost:/small/f", "o space left")
            #expect(contents(of: disk.path + "/f") == "old")
            #expect(names(in: disk.path) == ["f"])
            #expect(try xferd.stop().status == 0)
        }
    }

    @Test(
        .enabled(if: isRoot, "a small file system is mounted by root; not in the kTLS lab, where we are"),
        arguments: Layer.available)
    func aFullDiskAtTheClient(layer: Layer) throws {
        try withSite(layer) { site in
            let disk = try SmallFileSystem(at: site.local + "/disk", size: "4m")
            try write("old", to: disk.path + "/f")
            try sparse(site.data + "/f", 8 << 20)
            expectFailure(try site.xfer("get", "localhost:/data/f", "disk"), "disk/f", "No space left on device")
            #expect(contents(of: disk.path + "/f") == "old")
            #expect(names(in: disk.path) == ["f"])
        }
    }

    // MARK: Callers

    @Test(.notInTheLab, .enabled(if: isRoot, "becoming another user takes root; not in the kTLS lab, where we are"))
    func anUpcallFromAnotherUser() throws {
        try withSite(.user) { site in
            try write("x", to: site.data + "/f")
            // /dev/shm's directory is the test's own: the other user must be able to reach the socket.
            chmod(site.directory.path, 0o755)
            func ask(_ allow: [String]) throws -> (Ended, Ended) {
                let socket = site.directory.path + "/tlscd.sock"
                let tlscd = try RunningProgram(
                    [
                        Programs.path("tlscd"), "--socket", socket, "--cert", site.client.certificateFile, "--key",
                        site.client.keyFile, "--ca", site.pki.certificateFile,
                    ] + allow)
                try tlscd.logged("ready")
                let asked = try RunningProgram(
                    [
                        "setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups", Programs.path("xfer"),
                        "ls",
                        "-o", "port=\(site.port),tlscd=\(socket)", "localhost:/data",
                    ], environment: ["HOME=/nonexistent"]
                ).wait()
                return (asked, try tlscd.stop())
            }
            let (refused, log) = try ask([])
            expectFailure(refused, "user 65534 may not use this tlscd", "--allow")
            #expect(log.error.contains("65534"), "\(log)")
            for allow in [["--allow", "nobody"], ["--allow", "@nogroup"]] {
                let (allowed, _) = try ask(allow)
                #expect(allowed.output == "f\n", "\(allow) \(allowed)")
            }
            let unknown = try RunningProgram([
                Programs.path("tlscd"), "--socket", site.directory.path + "/y", "--allow", "no-such-user",
            ]).wait()
            expectFailure(unknown, "--allow", "no-such-user")
        }
    }

    // MARK: Command lines

    static let misuses: [([String], String)] = [
        (["frobnicate"], "frobnicate"), (["get"], "source"), (["put", "a"], "destination"), (["ls"], "path"),
        (["get", "local/file"], "'local/file' is a local path"), (["put", "a", "b"], "'b' is a local path"),
        (["ls", "host:relative"], "host:relative"), (["ls", ":/x"], "host"),
        (["ls", "--record-layer", "both", "h:/x"], "both"),
        (["ls", "-o", "port=0", "h:/x"], "port=0"), (["ls", "-o", "nope", "h:/x"], "'nope'"),
        (["get", "--jobs", "0", "h:/x"], "--jobs"),
        (["get", "--nope", "h:/x"], "--nope"), (["serve"], "directory"), (["get", "h:/a/../b"], "'..'"),
    ]

    @Test(.notInTheLab, arguments: misuses.indices) func aCommandLineThatMakesNoSense(index: Int) throws {
        let (arguments, word) = Self.misuses[index]
        let ended = try RunningProgram([Programs.path("xfer")] + arguments).wait()
        expectFailure(ended, status: 2, word)
    }

    @Test(.notInTheLab) func helpIsNoError() throws {
        for arguments in [["--help"], ["get", "--help"], ["--version"], ["pki", "issue", "--help"]] {
            let ended = try RunningProgram([Programs.path("xfer")] + arguments).wait()
            #expect(ended.status == 0 && !ended.output.isEmpty && ended.error.isEmpty, "\(ended)")
        }
    }
}

extension FakeConnection {
    /// The number of the probe that came last, which its answer must have.
    func transactionOfProbe() -> [UInt8] { Array(probe.dropFirst(4).prefix(4)) }
}

/// Seconds of the monotonic clock.
func monotonicSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}
