import CCrypto
import Certificates
import Glibc
import TestSupport
import Testing

@Suite struct AuthorityTests {
    private let directory = TemporaryDirectory()

    private func authority() throws -> CertificateAuthority {
        try CertificateAuthority.create(at: directory.path + "/ca")
    }

    @Test func createsFilesThatOnlyTheirOwnerReads() throws {
        let authority = try authority()
        #expect(mode(of: directory.path + "/ca") == 0o700)
        #expect(mode(of: authority.directory + "/ca.key") == 0o600)
        #expect(mode(of: authority.certificateFile) == 0o644)
        let description = try CertificateDescription(file: authority.certificateFile)
        #expect(description.subject == "CN=tlsd certificate authority")
        #expect(description.issuer == description.subject)
        let years = Double((description.notAfter ?? 0) - (description.notBefore ?? 0)) / (365 * 86400)
        #expect(years > 9.99 && years < 10.01)
        #expect(X509_check_ca(authority.certificate.pointer) == 1)
    }

    @Test func refusesToReplaceAnAuthority() throws {
        let first = try authority()
        let error = try #require(throws: CertificateError.self) { try authority() }
        #expect(error.kind == .exists)
        #expect(error.reason.contains(first.directory))
        let now = try CertificateDescription(file: first.certificateFile)
        #expect(now.fingerprint == first.certificate.description.fingerprint)
    }

    @Test func replacesTheKeyOfAnInterruptedRun() throws {
        let path = directory.path + "/ca"
        mkdir(path, 0o700)
        try write("half", to: path + "/ca.key", mode: 0o600)
        _ = try authority()
        _ = try CertificateAuthority.open(at: path)
    }

    @Test func opensWhatItMade() throws {
        let made = try authority()
        let opened = try CertificateAuthority.open(at: made.directory)
        let issued = try opened.issueServer(names: ["files.example"])
        let certificate = try PEMFile.certificates(issued.certificateFile)[0]
        #expect(certificate.isSigned(by: made.certificate))
    }

    @Test func refusesToOpenWithAnotherKey() throws {
        let made = try authority()
        let other = try CertificateAuthority.create(at: directory.path + "/other")
        rename(other.directory + "/ca.key", made.directory + "/ca.key")
        let error = try #require(throws: CertificateError.self) { try CertificateAuthority.open(at: made.directory) }
        #expect(error.kind == .mismatch)
        #expect(error.reason.contains("ca.key"))
    }

    @Test func namesAMissingDirectory() throws {
        let error = try #require(throws: CertificateError.self) {
            try CertificateAuthority.open(at: directory.path + "/nowhere")
        }
        #expect(error.kind == .missing)
        #expect(error.reason.contains("/nowhere/ca.pem"))
        let above = try #require(throws: CertificateError.self) {
            try CertificateAuthority.create(at: directory.path + "/a/b")
        }
        #expect(above.kind == .missing)
    }

    @Test func serverCertificateHasItsNamesAndUses() throws {
        let issued = try authority().issueServer(names: ["files.example", "192.0.2.7", "2001:db8::7", "files.example"])
        let description = try CertificateDescription(file: issued.certificateFile)
        #expect(description == issued.description)
        #expect(description.subject == "CN=files.example")
        #expect(description.alternativeNames == ["DNS:files.example", "IP:192.0.2.7", "IP:2001:db8::7"])
        #expect(description.extendedKeyUsages == ["1.3.6.1.5.5.7.3.34", "1.3.6.1.5.5.7.3.1"])
        #expect(description.fingerprint.count == 64)
        #expect(mode(of: issued.keyFile) == 0o600)
        #expect(issued.certificateFile.hasSuffix("/files.example.pem"))
        let days = Double((description.notAfter ?? 0) - time(nil)) / 86400
        #expect(days > 396.9 && days < 397.1)
    }

    @Test func clientCertificateHasItsNamesAndUses() throws {
        let issued = try authority().issueClient(
            name: "Zoë, backup", alternativeNames: ["zoe@example.org"], file: "zoe")
        let description = try CertificateDescription(file: issued.certificateFile)
        #expect(description.subject == "CN=Zo\\C3\\AB\\, backup")
        #expect(description.alternativeNames == ["otherName:1.3.6.1.4.1.2238.1.1.1;zoe@example.org"])
        #expect(description.extendedKeyUsages == ["1.3.6.1.5.5.7.3.33", "1.3.6.1.5.5.7.3.2"])
    }

    @Test func serialsAreRandomAndLong() throws {
        let authority = try authority()
        var serials: Set<String> = []
        for number in 0..<8 {
            serials.insert(try authority.issueClient(name: "c\(number)").description.serial)
        }
        #expect(serials.count == 8)
        #expect(serials.contains { $0.count == 32 })
        #expect(serials.allSatisfy { $0.count >= 24 })
    }

    @Test func whatItIssuesVerifies() throws {
        let authority = try authority()
        let issued = try authority.issueServer(names: ["files.example"])
        #expect(verify(issued.certificateFile, under: authority.certificateFile) == X509_V_OK)
        let other = try CertificateAuthority.create(at: directory.path + "/other", name: "other")
        #expect(
            verify(issued.certificateFile, under: other.certificateFile) == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY
        )
        let past = Validity(notBefore: 1_700_000_000, notAfter: 1_700_086_400)
        let expired = try authority.issueServer(names: ["old.example"], validity: past)
        #expect(verify(expired.certificateFile, under: authority.certificateFile) == X509_V_ERR_CERT_HAS_EXPIRED)
        #expect(UTCTime.text(expired.description.notAfter ?? 0) == "2023-11-15 22:13:20 UTC")
    }

    @Test func aSubordinateSendsItsOwnCertificateAlong() throws {
        let root = try authority()
        let made = try root.createSubordinate(at: directory.path + "/sub", name: "department")
        for subordinate in [made, try CertificateAuthority.open(at: made.directory)] {
            let issued = try subordinate.issueServer(names: ["files.example"], replace: true)
            let chain = try PEMFile.certificates(issued.certificateFile)
            #expect(chain.map(\.description.subject) == ["CN=files.example", "CN=department"])
            #expect(chain[0].isSigned(by: chain[1]) && chain[1].isSigned(by: root.certificate))
            #expect(!chain[0].isSigned(by: root.certificate))
        }
    }

    @Test func replacesOnlyWhenTold() throws {
        let authority = try authority()
        let first = try authority.issueClient(name: "host")
        let key = contents(of: first.keyFile)
        let error = try #require(throws: CertificateError.self) { try authority.issueClient(name: "host") }
        #expect(error.kind == .exists && error.reason.contains("host.pem"))
        #expect(contents(of: first.keyFile) == key)
        let second = try authority.issueClient(name: "host", replace: true)
        #expect(second.description.fingerprint != first.description.fingerprint)
        #expect(try PEMFile.certificates(second.certificateFile)[0].matches(PEMFile.privateKey(second.keyFile)))
    }

    @Test(arguments: [
        "", "*.example", "a*b", "a..b", ".a", "a.", "a b", "a/b", "-a", "a-", "a,DNS:b", "10.0.0.300", "é.example",
        String(repeating: "a", count: 64), String(repeating: "abc.", count: 64) + "d", "1.2.3.4,IP:5.6.7.8", "a\0b",
        "u@h",
    ])
    func refusesServerNames(_ name: String) throws {
        let authority = try authority()
        let error = try #require(throws: CertificateError.self) {
            try authority.issueServer(names: ["good.example", name], file: "f")
        }
        #expect(error.kind == .invalidName)
        #expect(!error.reason.isEmpty)
        #expect(access(authority.directory + "/f.pem", F_OK) != 0)
    }

    @Test(arguments: ["", "a/b", "*", "a\nb", String(repeating: "a", count: 65)])
    func refusesClientNames(_ name: String) throws {
        let authority = try authority()
        let error = try #require(throws: CertificateError.self) { try authority.issueClient(name: name, file: "f") }
        #expect(error.kind == .invalidName)
    }

    @Test(arguments: ["", "../x", ".x", "-x", "ca", "a/b", String(repeating: "a", count: 201)])
    func refusesFileNames(_ name: String) throws {
        let authority = try authority()
        let before = authority.certificate.description.fingerprint
        let error = try #require(throws: CertificateError.self) {
            try authority.issueClient(name: "c", file: name, replace: true)
        }
        #expect(error.kind == .invalidName)
        #expect(try CertificateDescription(file: authority.certificateFile).fingerprint == before)
    }

    @Test func refusesAValidityOfNoDays() throws {
        #expect(try #require(throws: CertificateError.self) { try Validity.days(0) }.kind == .invalidSetting)
        let backwards = Validity(notBefore: 2, notAfter: 1)
        let authority = try authority()
        let error = try #require(throws: CertificateError.self) {
            try authority.issueServer(names: ["a.example"], validity: backwards)
        }
        #expect(error.kind == .invalidSetting)
    }

    @Test func aNameTooLongForASubjectStandsInTheAlternativeNameAlone() throws {
        let name = "\(String(repeating: "a", count: 60)).\(String(repeating: "b", count: 60)).example"
        let issued = try authority().issueServer(names: [name], file: "long")
        #expect(issued.description.subject.isEmpty)
        #expect(issued.description.alternativeNames == ["DNS:" + name])
    }

    @Test func leavesNoTemporaryFiles() throws {
        let authority = try authority()
        _ = try authority.issueServer(names: ["a.example"])
        let names = TemporaryDirectory.names(in: authority.directory)
        #expect(names == ["ca.pem", "ca.key", "a.example.pem", "a.example.key"])
    }

    /// X509_verify_cert(3) of a file's first certificate.
    private func verify(_ file: String, under anchors: String) -> Int32 {
        guard let store = X509_STORE_new(), let context = X509_STORE_CTX_new(),
            let leaf = try? PEMFile.certificates(file).first, let anchor = try? PEMFile.certificates(anchors).first
        else { return -1 }
        defer {
            X509_STORE_CTX_free(context)
            X509_STORE_free(store)
        }
        X509_STORE_add_cert(store, anchor.pointer)
        X509_STORE_CTX_init(context, store, leaf.pointer, nil)
        X509_STORE_set_flags(store, UInt(X509_V_FLAG_X509_STRICT))
        _ = X509_verify_cert(context)
        return X509_STORE_CTX_get_error(context)
    }
}
