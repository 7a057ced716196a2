import Certificates
import Glibc
import Handshake
import TestSupport
import Testing

/// Ways to reach a server, and what the connection is protected with.
@Suite struct ConnectionTests {
    @Test(arguments: Layer.available) func hostsAreNamedInManyWays(layer: Layer) throws {
        try withSite(layer) { site in
            try write("x", to: site.data + "/f")
            for name in [
                "localhost:/data", "127.0.0.1:/data", "nfs://localhost:\(site.port)/data",
                "nfs://127.0.0.1:\(site.port)/data?xprtsec=mtls&rsize=8192",
            ] {
                let ended = try site.xfer("ls", name)
                expectDone(ended)
                #expect(ended.output == "f\n", "\(name)")
            }
            // The port of the name counts where -o has none.
            let url = try RunningProgram(
                [Programs.path("xfer"), "ls", "-o", site.credentials, "nfs://localhost:\(site.port)/data"]).wait()
            #expect(url.output == "f\n", "\(url)")
        }
    }

    static let hasIPv6 = exists("/proc/net/if_inet6") && !contents(of: "/proc/net/if_inet6").isEmpty

    @Test(.enabled(if: hasIPv6, "no IPv6 here, which is not in the kTLS lab's power"), arguments: Layer.available)
    func addressesOfIPv6(layer: Layer) throws {
        var setup = Site.Setup()
        setup.listen = "[::1]:0"
        try withSite(layer, setup) { site in
            try write("x", to: site.data + "/f")
            #expect(try site.xfer("ls", "[::1]:/data").output == "f\n")
            #expect(try site.xfer("ls", "nfs://[::1]:\(site.port)/data").output == "f\n")
        }
    }

    static let sizes =
        ["rsize=4096,wsize=4096", "rsize=1048576,wsize=65536,nconnect=4", "rsize=4194304,wsize=4194304"]
        + (Layer.isLab ? [] : ["nconnect=16"])

    @Test(arguments: Layer.available, sizes)
    func sizesAndConnections(layer: Layer, options: String) throws {
        try withSite(layer) { site in
            let sent = pattern((5 << 20) + 4321)
            try write(sent, to: site.local + "/f")
            expectDone(try site.xfer("put", "-o", options, "f", "localhost:/data"))
            expectDone(try site.xfer("get", "-o", options, "localhost:/data/f", "back"))
            expectFile(site.local + "/back", sent)
        }
    }

    @Test(arguments: Layer.available) func aRunningDaemonServesAndItsFilesAreItsOwn(layer: Layer) throws {
        try withSite(layer) { site in
            let (tlscd, socket) = try site.startDaemon()
            try write("x", to: site.local + "/f")
            expectDone(try site.xfer("put", "f", "localhost:/data", options: "tlscd=\(socket)"))
            expectDone(try site.xfer("get", "localhost:/data/f", "b", options: "tlscd=\(socket)"))
            try tlscd.logged("session secured", count: 2)
            expectFailure(
                try site.xfer("ls", "localhost:/data", options: "tlscd=\(socket),cert=a,key=b"), status: 2, "cert=",
                "tlscd", socket)
            #expect(try tlscd.stop().status == 0)
            #expect(!exists(socket))
            expectFailure(
                try site.xfer("ls", "localhost:/data", options: "tlscd=\(socket)"), "tlscd", socket, "is it running")
        }
    }

    @Test(arguments: Layer.available) func aClientWithoutACertificate(layer: Layer) throws {
        var open = Site.Setup()
        open.xferd = ["--xprtsec", "tls"]
        try withSite(layer, open) { site in
            try write("x", to: site.data + "/f")
            let ended = try site.xfer(
                "ls", "localhost:/data", options: "xprtsec=tls,cafile=\(site.pki.certificateFile)")
            #expect(ended.output == "f\n", "\(ended)")
        }
        try withSite(layer) { site in
            let ended = try site.xfer(
                "ls", "localhost:/data", options: "xprtsec=tls,cafile=\(site.pki.certificateFile)")
            expectFailure(ended, "certificate")
            try site.xferd.logged("certificate")
            expectFailure(
                try site.xfer("ls", "localhost:/data", options: "cafile=\(site.pki.certificateFile)"), status: 2,
                "xprtsec=mtls needs a certificate")
        }
    }

    /// `xprtsec=tls` shows none, although there is one where xfer looks.
    @Test(.notInTheLab) func aCertificateThatIsNotShown() throws {
        try withSite(.user) { site in
            let home = "\(site.directory.path)/home/.config/tlsd"
            for end in ["", "/.config", "/.config/tlsd"] { mkdir("\(site.directory.path)/home\(end)", 0o700) }
            try write(contents(of: site.pki.certificateFile), to: home + "/ca.pem")
            try write(contents(of: site.client.certificateFile), to: home + "/client.pem")
            try write(contents(of: site.client.keyFile), to: home + "/client.key")
            chmod(home + "/client.key", 0o600)
            try write("x", to: site.data + "/f")
            #expect(try site.xfer("ls", "localhost:/data", options: "xprtsec=mtls").output == "f\n")
            expectFailure(try site.xfer("ls", "localhost:/data", options: "xprtsec=tls"), "certificate")
        }
    }

    @Test(
        arguments: Layer.available,
        [
            ("aes128gcm", "TLS_AES_128_GCM_SHA256"), ("aes256gcm", "TLS_AES_256_GCM_SHA384"),
            ("chacha20poly1305", "TLS_CHACHA20_POLY1305_SHA256"),
        ])
    func everyCipherSuite(layer: Layer, suite: (option: String, name: String)) throws {
        try withSite(layer) { site in
            let (tlscd, socket) = try site.startDaemon("--ciphers", suite.option)
            let sent = pattern((1 << 20) + 77)
            try write(sent, to: site.local + "/f")
            let put = try site.xfer("put", "-v", "f", "localhost:/data", options: "tlscd=\(socket)")
            expectDone(put)
            #expect(
                put.error.contains("\(suite.name), record layer \(layer.rawValue), peer CN=localhost"), "\(put.error)")
            expectDone(try site.xfer("get", "localhost:/data/f", "back", options: "tlscd=\(socket)"))
            expectFile(site.local + "/back", sent)
            try tlscd.stop()
        }
    }

    /// Whether the two engines make their records in the same place is nobody's business but theirs.
    @Test(.enabled(if: Layer.hasKernel, "a kernel without TLS; not in the kTLS lab")) func layersMayDifferAtTheTwoEnds()
        throws
    {
        for (server, client) in [(Layer.user, "kernel"), (.kernel, "user")] {
            try withSite(server) { site in
                let sent = pattern((3 << 20) + 5)
                try write(sent, to: site.local + "/f")
                expectDone(try site.xfer("put", "--record-layer", client, "f", "localhost:/data"))
                expectDone(try site.xfer("get", "--record-layer", client, "localhost:/data/f", "b"))
                expectFile(site.local + "/b", sent)
            }
        }
    }

    @Test(.enabled(if: !Layer.hasKernel, "a kernel with TLS, as it should be: not in the kTLS lab"))
    func aKernelWithoutTLSIsNamedAsTheReason() throws {
        try withSite(.user) { site in
            expectFailure(try site.xfer("ls", "--record-layer", "kernel", "localhost:/data"), "kernel", "TLS")
        }
    }
}
