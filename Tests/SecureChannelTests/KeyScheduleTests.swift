import CCrypto
import Glibc
import Kernel
import SecureChannel
import TestSupport
import Testing

/// RFC 8446 section 7 against the numbers that RFC 8448 prints, and against libcrypto's own HKDF.
@Suite struct KeyScheduleTests {
    /// RFC 8448 section 3, "Simple 1-RTT Handshake": traffic secret, key, iv.
    static let published: [(secret: String, key: String, iv: String)] = [
        // server_handshake_traffic_secret
        (
            "b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38", "3fce516009c21727d0f2e4e86ee403bc",
            "5d313eb2671276ee13000b30"
        ),
        // client_handshake_traffic_secret
        (
            "b3eddb126e067f35a780b3abf45e2d8f3b1a950738f52e9600746a0e27a55a21", "dbfaa693d1762c5b666af5d950258d01",
            "5bd3c71b836e0b76bb73265f"
        ),
        // server_application_traffic_secret_0
        (
            "a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643", "9f02283b6c9c07efc26bb9f2ac92e356",
            "cf782b88dd83549aadf1e984"
        ),
        // client_application_traffic_secret_0
        (
            "9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5", "17422dda596ed5d9acd890e3c63f5051",
            "5b78923dee08579033e523d9"
        ),
    ]

    @Test(arguments: published.indices) func publishedKeys(_ index: Int) {
        let (secret, key, iv) = Self.published[index]
        let keys = TrafficKeys(Secret(bytes(secret)), suite: .aes128GCM)
        #expect(hex(keys.key) == key)
        #expect(hex(keys.iv) == iv)
    }

    @Test(arguments: CipherSuite.allCases) func lengths(_ suite: CipherSuite) {
        let keys = TrafficKeys(Secret(pattern(suite.secretLength)), suite: suite)
        #expect(keys.key.count == suite.keyLength && keys.iv.count == 12)
        #expect(KeySchedule.next(Secret(pattern(suite.secretLength)), suite: suite).count == suite.secretLength)
    }

    /// libcrypto's HKDF-Expand of the HkdfLabel that section 7.1 defines.
    @Test(arguments: CipherSuite.allCases) func agreesWithLibcrypto(_ suite: CipherSuite) throws {
        let secret = pattern(suite.secretLength, seed: 5)
        let keys = TrafficKeys(Secret(secret), suite: suite)
        #expect(try expand(secret, "key", suite.keyLength, suite) == hex(keys.key))
        #expect(try expand(secret, "iv", 12, suite) == hex(keys.iv))
        let next = KeySchedule.next(Secret(secret), suite: suite)
        #expect(try expand(secret, "traffic upd", suite.secretLength, suite) == hex(next))
        #expect(hex(next) != hex(Secret(secret)))
    }

    /// The client's first record of application data in RFC 8448 section 3: the bytes 0 to 49.
    @Test func publishedRecord() throws {
        let published = bytes(
            """
            1703030043a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5b46b395bd54a9a20441e2b62974e1f5a6292\
            a2977014bd1e3deae63aeebb21694915e4
            """)
        let link = try Link()
        let secrets = SessionSecrets(
            suite: .aes128GCM, client: Secret(bytes(Self.published[3].secret)),
            server: Secret(bytes(Self.published[2].secret)))
        let client = Channel.user(link.client, secrets: secrets, role: .client, limits: .client, session: link.client)
        try client.send(OutboundMessage(head: Array(0..<50)))
        #expect(try receiveAll(published.count, on: link.server.raw) == published)
        // And the other way: the published bytes are what the server's end opens.
        let server = Channel.user(link.server, secrets: secrets, role: .server, limits: .server, session: link.server)
        try sendAll(published, on: link.client.raw)
        #expect(try Receiving.bytes(50, from: server) == Array(0..<50))
    }

    private func expand(_ secret: [UInt8], _ label: String, _ length: Int, _ suite: CipherSuite) throws -> String {
        let name = Array("tls13 \(label)".utf8)
        var info: [UInt8] = [0, UInt8(length), UInt8(name.count)] + name + [0]
        let context = try #require(EVP_PKEY_CTX_new_id(EVP_PKEY_HKDF, nil))
        defer { EVP_PKEY_CTX_free(context) }
        var output = [UInt8](repeating: 0, count: length)
        var count = length
        try #require(EVP_PKEY_derive_init(context) == 1)
        try #require(EVP_PKEY_CTX_set_hkdf_mode(context, Int32(EVP_PKEY_HKDEF_MODE_EXPAND_ONLY)) == 1)
        try #require(EVP_PKEY_CTX_set_hkdf_md(context, suite == .aes256GCM ? EVP_sha384() : EVP_sha256()) == 1)
        try #require(EVP_PKEY_CTX_set1_hkdf_key(context, secret, Int32(secret.count)) == 1)
        try #require(EVP_PKEY_CTX_add1_hkdf_info(context, &info, Int32(info.count)) == 1)
        try #require(EVP_PKEY_derive(context, &output, &count) == 1)
        return hex(output)
    }

    private func hex(_ bytes: [UInt8]) -> String {
        bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
    }
    private func hex(_ secret: Secret) -> String { secret.withBytes { hex(Array($0)) } }
    private func bytes(_ text: String) -> [UInt8] {
        let digits = Array(text)
        return stride(from: 0, to: digits.count, by: 2).map { UInt8(String(digits[$0..<$0 + 2]), radix: 16) ?? 0 }
    }
}
