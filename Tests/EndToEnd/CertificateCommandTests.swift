import Glibc
import TestSupport
import Testing

/// `xfer pki`
@Suite(.notInTheLab) struct CertificateCommandTests {
    private func run(_ directory: Directory, _ arguments: String...) throws -> Ended {
        try RunningProgram([Programs.path("xfer"), "pki"] + arguments, directory: directory.path).wait()
    }

    @Test func makesAnAuthorityAndWhatOpenSSLVerifies() throws {
        let directory = try Directory()
        let made = try run(directory, "init")
        #expect(made.status == 0 && made.output == "pki/ca.pem\n", "\(made)")
        let server = try run(directory, "issue", "--server", "files.example.net", "192.0.2.7", "2001:db8::7")
        #expect(server.output == "pki/files.example.net.pem\npki/files.example.net.key\n", "\(server)")
        let client = try run(directory, "issue", "--client", "alice", "--days", "3")
        #expect(client.output == "pki/alice.pem\npki/alice.key\n", "\(client)")
        for (name, purpose) in [("files.example.net", "sslserver"), ("alice", "sslclient")] {
            let verified = try RunningProgram(
                ["openssl", "verify", "-CAfile", "pki/ca.pem", "-purpose", purpose, "pki/\(name).pem"],
                directory: directory.path
            ).wait()
            #expect(verified.status == 0, "\(verified)")
            #expect(try status(of: "\(directory.path)/pki/\(name).key").st_mode & 0o777 == 0o600)
        }
        let text = try RunningProgram(
            ["openssl", "x509", "-in", "pki/files.example.net.pem", "-noout", "-text"], directory: directory.path
        ).wait().output
        for word in [
            "DNS:files.example.net", "IP Address:192.0.2.7", "IP Address:2001:DB8:0:0:0:0:0:7", "1.3.6.1.5.5.7.3.34",
        ] {
            #expect(text.contains(word), "\(word)")
        }
    }

    /// In OpenSSL's words, the name that FreeBSD's rpc.tlsservd looks for.
    @Test func aClientsUser() throws {
        let directory = try Directory()
        #expect(try run(directory, "init").status == 0)
        let made = try run(directory, "issue", "--client", "alice", "--user", "alice@example.org")
        #expect(made.status == 0, "\(made)")
        let parsed = try RunningProgram(
            [
                "openssl", "asn1parse", "-i", "-in", "pki/alice.pem", "-strparse",
                "\(try offset(of: "alice", directory))",
            ],
            directory: directory.path
        ).wait().output
        let lines = parsed.split(separator: "\n")
        let identifier = try #require(
            lines.firstIndex { $0.contains("OBJECT") && $0.hasSuffix(":1.3.6.1.4.1.2238.1.1.1") })
        #expect(lines[(identifier + 1)...].contains { $0.contains("UTF8STRING") && $0.hasSuffix(":alice@example.org") })
        for user in ["alice", "alice@", "a b@example.org", "alice@*.org", "a@b@c"] {
            let refused = try run(directory, "issue", "--client", "bob", "--user", user)
            #expect(refused.status != 0 && refused.error.contains("user@domain"), "\(refused)")
        }
        expectFailure(
            try run(directory, "issue", "--server", "a.example", "--user", "a@b"), status: 2, "--user", "--client")
    }

    /// Where the subject alternative names begin in a certificate.
    private func offset(of name: String, _ directory: Directory) throws -> Int {
        let lines = try RunningProgram(
            ["openssl", "asn1parse", "-in", "pki/\(name).pem"], directory: directory.path
        ).wait().output.split(separator: "\n")
        let title = try #require(lines.firstIndex { $0.hasSuffix("X509v3 Subject Alternative Name") })
        let value = try #require(lines[title...].first { $0.contains("OCTET STRING") })
        return try #require(Int(value.split(separator: ":")[0].filter { $0 != " " }))
    }

    @Test func refusesWithAReason() throws {
        let directory = try Directory()
        expectFailure(try run(directory, "issue", "--client", "a"), "pki: there is no", "xfer pki init")
        #expect(try run(directory, "init").status == 0)
        expectFailure(try run(directory, "init"), "pki", "has a certificate authority")
        #expect(try run(directory, "issue", "--client", "a").status == 0)
        expectFailure(try run(directory, "issue", "--client", "a"), "a.pem", "--replace")
        #expect(try run(directory, "issue", "--client", "a", "--replace").status == 0)
        expectFailure(try run(directory, "issue", "--server", "*.example.net"), "*.example.net")
        expectFailure(try run(directory, "issue"), status: 2, "--server", "--client")
        expectFailure(try run(directory, "issue", "--server"), status: 2, "--server")
        expectFailure(try run(directory, "issue", "--client", "a", "--days", "0"), status: 2, "--days")
        expectFailure(try run(directory, "init", "--directory", "no/where"), "no/where", "No such file")
    }
}
