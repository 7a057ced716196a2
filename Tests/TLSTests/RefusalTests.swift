import Certificates
import Glibc
import Handshake
import Kernel
import SecureChannel
import TLS
import TestSupport
import Testing

/// Certificates that must not be taken: each with a reason that names the thing, and an alert to the other side.
@Suite struct RefusalTests {
    private let credentials: Credentials

    init() throws { credentials = try Credentials() }

    private static let past = Validity(notBefore: 1_700_000_000, notAfter: 1_735_689_600)

    /// A client that refuses the server's certificate: its reason, and what the server is told.
    private func clientRefuses(
        _ issued: CertificateAuthority.Issued? = nil, name: String = "files.example",
        _ change: (inout TLSConfiguration) -> Void = { _ in }
    ) throws -> (HandshakeFailure, HandshakeFailure) {
        let server = try TLSHandshaker(.server, credentials.configuration(issued ?? credentials.server))
        let (ours, theirs, _) = try handshake(try credentials.clientHandshaker(change), server, name: name)
        let refusal = try failure(ours)
        #expect(refusal.kind == .peerRefused)
        let told = try failure(theirs)
        #expect(told.kind == .refusedByPeer)
        return (refusal, told)
    }

    /// A server that refuses the client's certificate: its reason.
    private func serverRefuses(
        _ issued: CertificateAuthority.Issued?, _ change: (inout TLSConfiguration) -> Void = { _ in }
    ) throws -> HandshakeFailure {
        let client = try TLSHandshaker(.client, credentials.configuration(issued))
        let (_, theirs, _) = try handshake(client, try credentials.serverHandshaker(change))
        let refusal = try failure(theirs)
        #expect(refusal.kind == .peerRefused)
        return refusal
    }

    @Test func untrustedIssuer() throws {
        let other = try CertificateAuthority.create(at: credentials.directory.path + "/other", name: "stranger")
        let (refusal, told) = try clientRefuses(try other.issueServer(names: ["files.example"]))
        #expect(refusal.reason.contains("not trusted") && refusal.reason.contains("CN=stranger"))
        #expect(refusal.reason.contains(credentials.authority.certificateFile))
        #expect(told.reason.contains("unknown_ca"))
        let atServer = try serverRefuses(try other.issueClient(name: "backup"))
        #expect(atServer.reason.contains("not trusted") && atServer.reason.contains("CN=stranger"))
    }

    @Test func issuerOfTheSameNameWithAnotherKey() throws {
        let other = try CertificateAuthority.create(at: credentials.directory.path + "/other")
        let (refusal, _) = try clientRefuses(try other.issueServer(names: ["files.example"]))
        #expect(refusal.reason.contains("not trusted") && refusal.reason.contains("another key"))
    }

    @Test func wrongNames() throws {
        let (dns, told) = try clientRefuses(name: "other.example")
        #expect(dns.reason.contains("wanted DNS:other.example"))
        #expect(dns.reason.contains("it has DNS:files.example, IP:127.0.0.1, IP:::1"))
        #expect(told.reason.contains("bad_certificate"))
        let (address, _) = try clientRefuses(name: "127.0.0.2")
        #expect(address.reason.contains("wanted IP:127.0.0.2"))
        let (below, _) = try clientRefuses(name: "a.files.example")
        #expect(below.reason.contains("wanted DNS:a.files.example"))
    }

    @Test func theCommonNameIsNoName() throws {
        let client = try credentials.authority.issueServer(names: ["192.0.2.1"], file: "f")
        // Its common name is 192.0.2.1; an address counts as an alternative name alone.
        _ = try clientRefuses(client, name: "files.example")
    }

    @Test func wildcard() throws {
        // One that OpenSSL by itself would take for the name.
        let issued = try foreignCertificate(names: "DNS:*.example.org", usage: "serverAuth")
        let (refusal, _) = try clientRefuses(issued, name: "files.example.org")
        #expect(refusal.reason.contains("DNS:*.example.org") && refusal.reason.contains("wildcard"))
    }

    @Test func expired() throws {
        let issued = try credentials.authority.issueServer(names: ["files.example"], file: "old", validity: Self.past)
        let (refusal, told) = try clientRefuses(issued)
        #expect(refusal.reason.contains("expired on 2025-01-01 00:00:00 UTC"))
        #expect(refusal.reason.contains("CN=files.example"))
        #expect(told.reason.contains("certificate_expired"))
        let client = try credentials.authority.issueClient(name: "old client", validity: Self.past)
        #expect(try serverRefuses(client).reason.contains("expired on 2025-01-01"))
    }

    @Test func notYetValid() throws {
        let future = Validity(notBefore: 4_000_000_000, notAfter: 4_100_000_000)
        let issued = try credentials.authority.issueServer(names: ["files.example"], file: "new", validity: future)
        #expect(try clientRefuses(issued).0.reason.contains("not valid before 2096-10-02"))
    }

    @Test func certificateForAnotherUse() throws {
        let (refusal, told) = try clientRefuses(credentials.client)
        #expect(refusal.reason.contains("rpcTLSClient, clientAuth") && refusal.reason.contains("rpcTLSServer"))
        #expect(told.reason.contains("unsupported_certificate"))
        #expect(try serverRefuses(credentials.server).reason.contains("not for this use"))
    }

    @Test(arguments: [("serverAuth", true), ("1.3.6.1.5.5.7.3.34", true), ("", true), ("emailProtection", false)])
    func extendedKeyUsages(_ usage: String, isTaken: Bool) throws {
        let issued = try foreignCertificate(names: "DNS:files.example", usage: usage)
        let server = try TLSHandshaker(.server, credentials.configuration(issued))
        let (ours, _, _) = try handshake(credentials.clientHandshaker(), server)
        if isTaken {
            #expect(try ours.get().peer != nil)
        } else {
            #expect(try failure(ours).reason.contains("extended key usage is 1.3.6.1.5.5.7.3.4"))
        }
    }

    @Test func keyUsageWithoutSignatures() throws {
        let issued = try foreignCertificate(names: "DNS:files.example", usage: "serverAuth", keyUsage: "keyAgreement")
        #expect(try clientRefuses(issued).0.reason.contains("digitalSignature"))
    }

    @Test func noCertificateWhereMutualIsWanted() throws {
        let refusal = try serverRefuses(nil)
        #expect(refusal.reason.contains("showed no certificate"))
    }

    @Test func revoked() throws {
        let list = try revocationList(of: [credentials.server, credentials.client])
        let (refusal, told) = try clientRefuses { $0.revocationFile = list }
        #expect(refusal.reason.contains("revoked by its issuer, CN=tlsd certificate authority"))
        #expect(told.reason.contains("certificate_revoked"))
        #expect(try serverRefuses(credentials.client) { $0.revocationFile = list }.reason.contains("revoked"))
        let good = try revocationList(of: [])
        let (ours, theirs, _) = try handshake(
            credentials.clientHandshaker { $0.revocationFile = good },
            credentials.serverHandshaker { $0.revocationFile = good })
        _ = try ours.get()
        _ = try theirs.get()
    }

    @Test func noRevocationListOfTheIssuer() throws {
        let other = try CertificateAuthority.create(at: credentials.directory.path + "/other", name: "stranger")
        let list = try revocationList(of: [], by: other)
        let (refusal, _) = try clientRefuses { $0.revocationFile = list }
        #expect(refusal.reason.contains("cannot be checked for revocation") && refusal.reason.contains(list))
    }

    /// What the authority would not issue.
    private func foreignCertificate(
        names: String, usage: String, keyUsage: String = "digitalSignature"
    ) throws -> CertificateAuthority.Issued {
        try ForeignCertificate.issue(
            by: credentials.authority, like: credentials.server, names: names, usage: usage, keyUsage: keyUsage)
    }

    private func revocationList(
        of certificates: [CertificateAuthority.Issued], by authority: CertificateAuthority? = nil
    ) throws -> String {
        try ForeignCertificate.revoke(certificates, by: authority ?? credentials.authority)
    }
}
