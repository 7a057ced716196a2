import CCrypto

/// A private key in memory; OpenSSL wipes it when the last reference goes.
package final class PrivateKey: @unchecked Sendable {
    // Unchecked: OpenSSL counts references atomically; nobody changes a key made.
    /// EVP_PKEY*, valid while this object is referenced.
    package let pointer: OpaquePointer

    /// - Parameter takingOwnershipOf: an EVP_PKEY* whose reference nobody else gives back.
    package init(takingOwnershipOf pointer: OpaquePointer) { self.pointer = pointer }

    deinit { EVP_PKEY_free(pointer) }

    /// A new ECDSA key on P-256, which every TLS 1.3 peer verifies (RFC 8446 section 9.1).
    static func generate() throws(OpenSSLError) -> PrivateKey {
        let operation = "making a key"
        let context = try openSSL(operation) { EVP_PKEY_CTX_new_from_name(nil, "EC", nil) }
        defer { EVP_PKEY_CTX_free(context) }
        try openSSLStatus(operation) { EVP_PKEY_keygen_init(context) }
        try openSSLStatus(operation) { EVP_PKEY_CTX_set_group_name(context, "P-256") }
        var key: OpaquePointer?
        return PrivateKey(
            takingOwnershipOf: try openSSL(operation) { EVP_PKEY_generate(context, &key) == 1 ? key : nil })
    }
}
