import CCrypto
import Glibc

/// From a traffic secret to what a record layer uses: RFC 8446 sections 7.1 to 7.3.
package enum KeySchedule {
    /// HKDF-Expand-Label(secret, label, "", length), for lengths up to the hash's: one block of RFC 5869's expansion.
    ///
    /// - Parameter label: without the prefix "tls13 ".
    package static func expandLabel(_ secret: Secret, label: StaticString, length: Int, suite: CipherSuite) -> Secret {
        precondition(length <= suite.secretLength, "a label of more than one block is never asked for")
        var info: [UInt8] = [UInt8(length >> 8), UInt8(length & 0xff)]
        let name = Array("tls13 ".utf8) + label.withUTF8Buffer { Array($0) }
        info.append(UInt8(name.count))
        info += name
        info += [0, 1]  // an empty context; then the block counter of HKDF-Expand
        var block = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
        defer { block.withUnsafeMutableBytes { wipe($0) } }
        var produced: UInt32 = 0
        let digest = suite == .aes256GCM ? EVP_sha384() : EVP_sha256()
        let result = secret.withBytes {
            HMAC(digest, $0.baseAddress, Int32($0.count), info, info.count, &block, &produced)
        }
        precondition(result != nil && Int(produced) >= length, "HMAC of a digest libcrypto always has")
        return block.withUnsafeBytes { Secret(UnsafeRawBufferPointer(rebasing: $0.prefix(length))) }
    }

    /// The secret after a KeyUpdate: RFC 8446 section 7.2.
    package static func next(_ secret: Secret, suite: CipherSuite) -> Secret {
        expandLabel(secret, label: "traffic upd", length: suite.secretLength, suite: suite)
    }
}

/// The key and the nonce base of one direction: RFC 8446 section 7.3.
package struct TrafficKeys: Sendable {
    package let suite: CipherSuite
    /// ``CipherSuite/keyLength`` bytes.
    package let key: Secret
    /// 12 bytes.
    package let iv: Secret

    package init(_ secret: Secret, suite: CipherSuite) {
        self.suite = suite
        key = KeySchedule.expandLabel(secret, label: "key", length: suite.keyLength, suite: suite)
        iv = KeySchedule.expandLabel(secret, label: "iv", length: 12, suite: suite)
    }
}
