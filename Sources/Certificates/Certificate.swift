import CCrypto

/// An X.509 certificate in memory.
package final class Certificate: @unchecked Sendable {
    // Unchecked: OpenSSL counts references atomically and locks what it caches; nobody changes a certificate made.
    /// X509*, valid while this object is referenced.
    package let pointer: OpaquePointer

    /// - Parameter takingOwnershipOf: an X509* whose reference nobody else gives back.
    package init(takingOwnershipOf pointer: OpaquePointer) { self.pointer = pointer }

    /// - Returns: nil where the bytes are no certificate in DER, or there is no memory for it.
    package init?(der: [UInt8]) {
        OpenSSLError.clear()
        defer { OpenSSLError.clear() }
        let made = der.withUnsafeBufferPointer { bytes -> OpaquePointer? in
            var start = bytes.baseAddress
            return d2i_X509(nil, &start, bytes.count)
        }
        guard let made else { return nil }
        pointer = made
    }

    /// The bytes of an X509*, which stays the caller's, in DER; empty where there is no memory for them.
    package static func der(of certificate: OpaquePointer) -> [UInt8] {
        var bytes: UnsafeMutablePointer<UInt8>?
        let count = i2d_X509(certificate, &bytes)
        guard count > 0, let bytes else { return [] }
        defer { CRYPTO_free(bytes, #file, #line) }
        return Array(UnsafeBufferPointer(start: bytes, count: Int(count)))
    }

    deinit { X509_free(pointer) }

    package var description: CertificateDescription { CertificateDescription(of: pointer) }

    /// Whether the certificate names itself as its issuer.
    package var isSelfIssued: Bool {
        X509_NAME_cmp(X509_get_subject_name(pointer), X509_get_issuer_name(pointer)) == 0
    }

    /// Whether `key` is the private half of the certificate's public key.
    package func matches(_ key: PrivateKey) -> Bool {
        OpenSSLError.clear()
        defer { OpenSSLError.clear() }
        return X509_check_private_key(pointer, key.pointer) == 1
    }

    /// Whether `issuer`'s key made the signature on it (X509_verify(3)); nothing else is checked.
    package func isSigned(by issuer: Certificate) -> Bool {
        OpenSSLError.clear()
        defer { OpenSSLError.clear() }
        guard let key = X509_get0_pubkey(issuer.pointer) else { return false }
        return X509_verify(pointer, key) == 1
    }
}

/// A certificate revocation list in memory.
package final class RevocationList: @unchecked Sendable {
    // Unchecked: as Certificate.
    /// X509_CRL*, valid while this object is referenced.
    package let pointer: OpaquePointer

    /// - Parameter takingOwnershipOf: an X509_CRL* whose reference nobody else gives back.
    package init(takingOwnershipOf pointer: OpaquePointer) { self.pointer = pointer }

    deinit { X509_CRL_free(pointer) }
}
