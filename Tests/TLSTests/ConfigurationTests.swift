import Certificates
import Glibc
import Handshake
import SecureChannel
import TLS
import TestSupport
import Testing

@Suite struct ConfigurationTests {
    private let credentials: Credentials

    init() throws { credentials = try Credentials() }

    private func refused(_ change: (inout TLSConfiguration) -> Void) throws -> CertificateError {
        let error = try #require(throws: CertificateError.self) { try credentials.serverHandshaker(change) }
        return error
    }

    @Test func missingFiles() throws {
        for path in [\TLSConfiguration.certificateFile, \.keyFile, \.trustAnchorsFile, \.revocationFile] {
            let error = try refused { $0[keyPath: path] = "/nonexistent/file.pem" }
            #expect(error.kind == .missing)
            #expect(error.reason.contains("/nonexistent/file.pem: No such file or directory"))
        }
    }

    @Test func filesThatAreNotPEM() throws {
        let path = credentials.directory.path + "/text"
        try write("text\n", to: path, mode: 0o600)
        for file in [\TLSConfiguration.certificateFile, \.keyFile, \.trustAnchorsFile, \.revocationFile] {
            let error = try refused { $0[keyPath: file] = path }
            #expect(error.kind == .malformed)
            #expect(error.reason.contains(path) && error.reason.contains("not PEM"))
        }
    }

    @Test func keyOfAnotherCertificate() throws {
        let error = try refused { $0.keyFile = credentials.client.keyFile }
        #expect(error.kind == .mismatch)
        #expect(error.reason.contains(credentials.client.keyFile) && error.reason.contains("CN=files.example"))
    }

    @Test func keyThatEverybodyReads() throws {
        chmod(credentials.server.keyFile, 0o644)
        #expect(try refused { _ in }.kind == .exposed)
    }

    @Test func settingsThatMakeNoSense() throws {
        #expect(try refused { $0.certificateFile = nil }.kind == .invalidSetting)
        #expect(try refused { $0.cipherSuites = [] }.kind == .invalidSetting)
        let error = try #require(throws: CertificateError.self) {
            try credentials.clientHandshaker { $0.certificateFile = nil }
        }
        #expect(error.kind == .invalidSetting)
    }

    @Test func certificateAndKeyInOneFile() throws {
        let path = credentials.directory.path + "/both.pem"
        try write(
            contents(of: credentials.server.certificateFile) + contents(of: credentials.server.keyFile), to: path,
            mode: 0o600)
        let server = try credentials.serverHandshaker {
            $0.certificateFile = path
            $0.keyFile = nil
        }
        #expect(server.certificate == credentials.server.description)
    }

    @Test func requestsThatCannotBeMet() throws {
        let link = try Link()
        let bare = try TLSHandshaker(.client, credentials.configuration(nil))
        #expect(try failure(run(bare, link.client, request(mutual: true))).kind == .local)
        let client = try credentials.clientHandshaker()
        for name in ["", ".example", "*.example", "a b"] {
            #expect(try failure(run(client, link.client, request(name))).kind == .local)
        }
        let trusting = try credentials.serverHandshaker { $0.trustAnchorsFile = nil }
        #expect(try failure(run(trusting, link.server, request())).reason.contains("trust anchors"))
    }

    @Test func aClientWithoutTrustAnchorsHasTheSystems() throws {
        let client = try credentials.clientHandshaker { $0.trustAnchorsFile = nil }
        let (ours, _, _) = try handshake(client, credentials.serverHandshaker())
        #expect(try failure(ours).reason.contains("trust anchors of this system"))
    }
}
