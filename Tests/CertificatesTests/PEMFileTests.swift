import CCrypto
import Certificates
import Glibc
import TestSupport
import Testing

@Suite struct PEMFileTests {
    private let directory = TemporaryDirectory()

    private func file(_ text: String, mode: mode_t = 0o600) throws -> String {
        let path = directory.path + "/file.pem"
        try write(text, to: path, mode: mode)
        return path
    }

    @Test(arguments: ["", "hello\n", "-----BEGIN SOMETHING-----\nAAAA\n-----END SOMETHING-----\n"])
    func saysThatAFileIsNotPEM(_ text: String) throws {
        let path = try file(text)
        let error = try #require(throws: CertificateError.self) { try PEMFile.certificates(path) }
        #expect(error.kind == .malformed)
        #expect(error.reason.contains(path) && error.reason.contains("not PEM"))
        let key = try #require(throws: CertificateError.self) { try PEMFile.privateKey(path) }
        #expect(key.kind == .malformed && key.reason.contains("private key"))
    }

    @Test func saysThatACertificateIsDamaged() throws {
        let authority = try CertificateAuthority.create(at: directory.path + "/ca")
        let good = contents(of: authority.certificateFile)
        let path = try file(good + "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n")
        let error = try #require(throws: CertificateError.self) { try PEMFile.certificates(path) }
        #expect(error.kind == .malformed && error.reason.contains("damaged"))
        // Cut short in the middle of the second
        let cut = try #require(throws: CertificateError.self) {
            try PEMFile.certificates(try file(good + good.prefix(good.count / 2)))
        }
        #expect(cut.kind == .malformed)
        #expect(try PEMFile.certificates(file("a comment\n" + good + "\nanother\n" + good)).count == 2)
    }

    @Test func refusesAKeyThatEverybodyReads() throws {
        let authority = try CertificateAuthority.create(at: directory.path + "/ca")
        let key = authority.directory + "/ca.key"
        chmod(key, 0o604)
        let error = try #require(throws: CertificateError.self) { try PEMFile.privateKey(key) }
        #expect(error.kind == .exposed)
        #expect(error.reason.contains(key))
        chmod(key, 0o640)
        _ = try PEMFile.privateKey(key)
    }

    @Test func refusesAnEncryptedKey() throws {
        let authority = try CertificateAuthority.create(at: directory.path + "/ca")
        let key = try PEMFile.privateKey(authority.directory + "/ca.key")
        let path = directory.path + "/encrypted.key"
        let bio = try #require(BIO_new_file(path, "w"))
        #expect(PEM_write_bio_PKCS8PrivateKey(bio, key.pointer, EVP_aes_256_cbc(), "word", 4, nil, nil) == 1)
        BIO_free(bio)
        chmod(path, 0o600)
        let error = try #require(throws: CertificateError.self) { try PEMFile.privateKey(path) }
        #expect(error.kind == .encrypted)
        #expect(error.reason.contains("passphrase"))
    }

    @Test func refusesWhatIsNoFile() throws {
        let error = try #require(throws: CertificateError.self) { try PEMFile.certificates(directory.path) }
        #expect(error.kind == .file && error.reason.contains("not a file"))
        let device = try #require(throws: CertificateError.self) { try PEMFile.certificates("/dev/zero") }
        #expect(device.kind == .file)
    }
}
