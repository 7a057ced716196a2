import RPC
import Testing

@testable import FileServer

/// Which rule is for which peer.
@Suite struct ExportsMatchingTests {
    private static let file = """
        /d  *(anonuid=1)  192.0.2.0/24(anonuid=2)  192.0.2.7(anonuid=3)  2001:db8::/32(anonuid=4) \\
            *.example.org(anonuid=5)  build.example.org(anonuid=6)  alice@example.org(anonuid=7)  192.0.0.0/16(anonuid=8)
        """

    private func export(_ text: String) throws -> Export {
        try #require(try ExportsFile.parse(Array(text.utf8), name: "f").first)
    }

    private func mutual(_ hosts: String..., user: String? = nil) -> Peer.Protection {
        .mutual(PeerCertificate(fingerprint: "", subject: "", hosts: hosts, userName: user))
    }

    /// Known by `anonuid`, whatever the order of the rules.
    private func rule(_ address: String, _ protection: Peer.Protection) throws -> UInt32? {
        let export = try export(Self.file)
        let peer = Peer(address: address, protection: protection)
        let found = export.options(for: peer)?.anonymousUID
        #expect(found == export.with(export.rules.reversed()).options(for: peer)?.anonymousUID)
        return found
    }

    @Test(arguments: [
        ("198.51.100.1:700", 1), ("192.0.2.6:700", 2), ("192.0.2.7:700", 3), ("192.0.3.7:700", 8),
        ("[::ffff:192.0.2.7]:700", 3), ("[::ffff:192.0.2.6]:1", 2), ("[2001:db8:ffff::1]:700", 4),
        ("[2001:db8::1%eth0]:700", 4), ("[2001:db9::1]:700", 1), ("[::1]:700", 1), ("[::192.0.2.7]:700", 1),
        ("local socket", 1), ("", 1),
    ])
    func addresses(address: String, anonymousUID: UInt32) throws {
        #expect(try rule(address, .none) == anonymousUID)
        #expect(try rule(address, .tls) == anonymousUID)
        #expect(try rule(address, mutual()) == anonymousUID)
    }

    @Test func namesBeforeAddresses() throws {
        #expect(try rule("192.0.2.7:700", mutual("build.example.org")) == 6)
        #expect(try rule("192.0.2.7:700", mutual("other.example.org")) == 5)
        #expect(try rule("192.0.2.7:700", mutual("other.example.org", "build.example.org")) == 6)
        #expect(try rule("192.0.2.7:700", mutual("build.example.org", user: "alice@example.org")) == 7)
        #expect(try rule("192.0.2.7:700", mutual(user: "alice@EXAMPLE.org")) == 7, "a domain is the same in capitals")
        #expect(try rule("192.0.2.7:700", mutual(user: "Alice@example.org")) == 3, "a user is not")
        #expect(try rule("192.0.2.7:700", mutual(user: "alice@example.org.net")) == 3)
    }

    @Test(arguments: [
        "example.org", "a.b.example.org", ".example.org", "*.example.org", "xexample.org", "a.example.org.net",
        "build.example.orgx", "",
    ])
    func namesThatOnlyLookAlike(host: String) throws {
        #expect(try rule("192.0.2.7:700", mutual(host)) == 3)
    }

    @Test func nobodyElse() throws {
        let export = try export("/d 192.0.2.0/24 0.0.0.0/8 host.example.org")
        #expect(export.options(for: Peer(address: "192.0.3.1:700", protection: mutual("example.org"))) == nil)
        #expect(export.options(for: Peer(address: "nonsense", protection: .tls)) == nil)
        #expect(export.options(for: Peer(address: "[::1]:700", protection: .tls)) == nil)
        let all = try self.export("/d 0.0.0.0/0(anonuid=4) ::/0(anonuid=6)")
        #expect(all.options(for: Peer(address: "192.0.2.1:700", protection: .tls))?.anonymousUID == 4)
        #expect(all.options(for: Peer(address: "[::ffff:192.0.2.1]:700", protection: .tls))?.anonymousUID == 4)
        #expect(all.options(for: Peer(address: "[::1]:700", protection: .tls))?.anonymousUID == 6)
    }

    @Test(arguments: [
        ("/d *(cleartext_mount)", true), ("/d *", false), ("/d *(xprtsec=none)", true), ("/d *(tls)", false),
        ("/d 192.0.2.0/24(cleartext_mount)", true), ("/d 192.0.3.0/24(cleartext_mount)", false),
        ("/d 192.0.3.0/24(cleartext_mount) *", false), ("/d host.example.org(cleartext_mount)", true),
        ("/d a@b(cleartext_mount) *", true), ("/d host.example.org *.org a@b", false),
        ("/d 192.0.3.0/24(xprtsec=none)", false),
    ])
    func cleartextMount(text: String, allowed: Bool) throws {
        #expect(
            try export(text).allowsCleartextMount(from: Peer(address: "192.0.2.1:700", protection: .none)) == allowed)
    }
}
