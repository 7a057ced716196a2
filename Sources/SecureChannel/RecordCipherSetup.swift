import CCrypto

/// What libcrypto does once for all connections: its configuration, its providers, the cipher.
package enum RecordCipherSetup {
    /// Has it done now, for who has something to wait for: the first connection would take some milliseconds longer.
    package static func prepare() {
        let secret = Secret([UInt8](repeating: 0, count: CipherSuite.aes128GCM.secretLength))
        _ = RecordCipher(TrafficKeys(secret, suite: .aes128GCM), sealing: true)
    }
}
