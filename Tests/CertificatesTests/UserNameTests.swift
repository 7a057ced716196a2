import Certificates
import TestSupport
import Testing

/// The user of a certificate: otherName 1.3.6.1.4.1.2238.1.1.1.
@Suite struct UserNameTests {
    @Test(arguments: ["alice@example.org", "Alice.B-c_1@EXAMPLE", "a@b"])
    func wellFormed(_ text: String) throws {
        #expect("\(try UserName(text))" == text)
        #expect(try AlternativeName(text) == .user(text))
    }

    @Test(arguments: [
        "", "alice", "@example.org", "alice@", "a@b@c", "a b@c", "a/b@c", "a\0@c", "é@c", "a@é", "a@-b", "a@b c",
        "a@*.b",
        String(repeating: "a", count: 65) + "@b", "a@" + String(repeating: "b", count: 64),
    ])
    func malformed(_ text: String) throws {
        let error = try #require(throws: CertificateError.self) { try UserName(text) }
        #expect(error.kind == .invalidName && !error.reason.isEmpty)
    }

    @Test func whatIsIssuedIsRead() throws {
        let directory = TemporaryDirectory()
        let authority = try CertificateAuthority.create(at: directory.path + "/ca")
        let alice = try authority.issueClient(name: "alice", alternativeNames: ["host.example", "alice@example.org"])
        let read = try CertificateDescription(file: alice.certificateFile)
        #expect(read.userName == .one(try UserName("alice@example.org")))
        #expect(try authority.issueClient(name: "host").description.userName == .nobody)
        let error = try #require(throws: CertificateError.self) {
            try authority.issueClient(name: "two", alternativeNames: ["a@example.org", "b@example.org"])
        }
        #expect(error.kind == .invalidName && error.reason.contains("2 users"))
    }
}
