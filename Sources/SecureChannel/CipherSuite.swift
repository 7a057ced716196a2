/// The cipher suites of TLS 1.3 this project speaks, by their number on the wire (RFC 8446 appendix B.4).
package enum CipherSuite: UInt16, Sendable, CaseIterable {
    case aes128GCM = 0x1301
    case aes256GCM = 0x1302
    case chacha20Poly1305 = 0x1303

    /// The name of RFC 8446, as OpenSSL and every log has it.
    package var name: String {
        switch self {
        case .aes128GCM: "TLS_AES_128_GCM_SHA256"
        case .aes256GCM: "TLS_AES_256_GCM_SHA384"
        case .chacha20Poly1305: "TLS_CHACHA20_POLY1305_SHA256"
        }
    }

    /// Bytes of the AEAD's key.
    package var keyLength: Int { self == .aes128GCM ? 16 : 32 }

    /// Bytes of a traffic secret: the output of the suite's hash.
    package var secretLength: Int { self == .aes256GCM ? 48 : 32 }
}
