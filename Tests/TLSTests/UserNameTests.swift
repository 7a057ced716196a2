import Certificates
import Handshake
import SecureChannel
import TLS
import TestSupport
import Testing

/// The user that a client's certificate names, as another authority may have written it.
@Suite struct UserNameTests {
    private let credentials: Credentials

    init() throws { credentials = try Credentials() }

    private func outcome(_ names: String) throws -> HandshakeOutcome {
        let issued = try ForeignCertificate.issue(
            by: credentials.authority, like: credentials.client, names: names, usage: "clientAuth",
            keyUsage: "digitalSignature")
        let client = try TLSHandshaker(.client, credentials.configuration(issued))
        return try handshake(client, credentials.serverHandshaker()).server.get()
    }

    private static let user = "otherName:1.3.6.1.4.1.2238.1.1.1;"

    @Test func theOneIsTaken() throws {
        // Another otherName (a Kerberos principal's, msUPN) is nobody's business here.
        let outcome = try outcome(
            "DNS:a.example,otherName:1.3.6.1.4.1.311.20.2.3;UTF8:bob@example.org,\(Self.user)UTF8:alice@example.org")
        #expect(outcome.peer?.userName == "alice@example.org" && outcome.remark == nil)
        #expect(outcome.peer?.user == nil)
    }

    @Test func none() throws {
        let outcome = try outcome("DNS:a.example,email:alice@example.org")
        #expect(outcome.peer != nil && outcome.peer?.userName == nil && outcome.remark == nil)
    }

    /// The handshake succeeds: the certificate is a host's, as good as before.
    @Test(arguments: [
        ("\(user)UTF8:a@example.org,\(user)UTF8:b@example.org", "names 2 users"),
        ("\(user)UTF8:a@example.org,\(user)UTF8:a@example.org", "names 2 users"),
        ("\(user)UTF8:a@example.org,\(user)IA5:a@example.org", "names 2 users"),
        ("\(user)IA5:a@example.org", "no UTF8String"), ("\(user)INTEGER:5", "no UTF8String"),
        ("\(user)UTF8:alice", "'alice'"), ("\(user)UTF8:a@b@c", "'a@b@c'"), ("\(user)UTF8:@example.org", "user@domain"),
        ("\(user)UTF8:root\u{7}@example.org", "'root\\x07@example.org'"),
    ])
    func whatIsUnusableIsLeftOutWithAReason(_ names: String, _ reason: String) throws {
        let outcome = try outcome(names)
        #expect(outcome.peer?.subject == "CN=files.example" && outcome.peer?.userName == nil)
        #expect(outcome.remark?.contains(reason) == true, "\(outcome.remark ?? "no remark")")
    }
}
