import COpenSSL
import Certificates
import Handshake
import SecureChannel

/// What a peer's certificate must be (RFC 9289 section 5.2.1): issued by somebody trusted, within its dates, not
/// revoked, for this use, and with the name that was asked for. No name is ever asked of the DNS.
enum PeerVerification {
    /// The certificate verification callback (SSL_CTX_set_cert_verify_callback(3)).
    ///
    /// - Returns: 1, or 0 with the error set, from which OpenSSL chooses the alert.
    static func verify(_ store: OpaquePointer?) -> Int32 {
        guard let store, let ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()),
            let state = HandshakeState.of(OpaquePointer(ssl)), let leaf = X509_STORE_CTX_get0_cert(store)
        else {
            if let store { X509_STORE_CTX_set_error(store, X509_V_ERR_UNSPECIFIED) }
            return 0
        }
        // OpenSSL's check of the purpose does not know RFC 9289's usages; checkUse below does.
        X509_VERIFY_PARAM_set_purpose(X509_STORE_CTX_get0_param(store), X509_PURPOSE_ANY)
        guard X509_verify_cert(store) == 1 else {
            // A verification that failed without an error would let the handshake go on.
            if X509_STORE_CTX_get_error(store) == X509_V_OK { X509_STORE_CTX_set_error(store, X509_V_ERR_UNSPECIFIED) }
            return refuse(state, store, nil, VerificationReason.text(store, state.context))
        }
        if let reason = checkUse(store, state.context.role) {
            return refuse(state, store, X509_V_ERR_INVALID_PURPOSE, reason)
        }
        if let target = state.target, let reason = checkName(leaf, target) {
            return refuse(state, store, X509_V_ERR_HOSTNAME_MISMATCH, reason)
        }
        if let failure = checkProtocol(OpaquePointer(ssl), state) {
            state.refusal = failure
            X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION)
            return 0
        }
        return 1
    }

    /// Verifies a chain that a handshake took, with what `context` trusts now.
    ///
    /// - Parameter chain: DER, leaf first; one at least.
    /// - Returns: what is wrong with it; nil where nothing is.
    static func objection(to chain: [[UInt8]], _ context: TLSContext) -> String? {
        let certificates = chain.compactMap(Certificate.init(der:))
        guard let leaf = certificates.first, certificates.count == chain.count,
            let store = X509_STORE_CTX_new(), let above = OPENSSL_sk_new_null()
        else { return "the certificate cannot be checked again: no memory" }
        defer {
            X509_STORE_CTX_free(store)
            OPENSSL_sk_free(above)
            OpenSSLError.clear()
        }
        // The stack borrows: the certificates live until the end of this function.
        for certificate in certificates.dropFirst() { OPENSSL_sk_push(above, UnsafeRawPointer(certificate.pointer)) }
        return withExtendedLifetime(certificates) {
            guard X509_STORE_CTX_init(store, SSL_CTX_get_cert_store(context.pointer), leaf.pointer, above) == 1 else {
                return "the certificate cannot be checked again: no memory"
            }
            X509_VERIFY_PARAM_set_purpose(X509_STORE_CTX_get0_param(store), X509_PURPOSE_ANY)
            guard X509_verify_cert(store) == 1 else { return VerificationReason.text(store, context) }
            return checkUse(store, context.role)
        }
    }

    private static func refuse(
        _ state: HandshakeState, _ store: OpaquePointer, _ error: Int32?, _ reason: String
    ) -> Int32 {
        state.refusal = HandshakeFailure(.peerRefused, reason)
        if let error { X509_STORE_CTX_set_error(store, error) }
        return 0
    }

    /// Every certificate below the trust anchor that limits its use must allow this one.
    private static func checkUse(_ store: OpaquePointer, _ role: Channel.Role) -> String? {
        let wanted =
            role == .client
            ? [ExtendedKeyUsage.rpcTLSServer, ExtendedKeyUsage.serverAuth]
            : [ExtendedKeyUsage.rpcTLSClient, ExtendedKeyUsage.clientAuth]
        let count = copenssl_chain_count(store)
        for depth in 0..<max(1, count - 1) {
            guard let certificate = copenssl_chain_at(store, depth) else { continue }
            let description = CertificateDescription(of: certificate)
            if let usages = description.extendedKeyUsages {
                let taken = depth == 0 ? wanted : wanted + [ExtendedKeyUsage.any]
                if !usages.contains(where: taken.contains) {
                    let has = usages.map(ExtendedKeyUsage.name).joined(separator: ", ")
                    let names = wanted.map(ExtendedKeyUsage.name).joined(separator: " or ")
                    return
                        "the certificate is not for this use: its extended key usage is \(has.isEmpty ? "empty" : has),"
                        + " wanted \(names) \(VerificationReason.which(description))"
                }
            }
            // RFC 8446 section 4.4.2.2
            if depth == 0 && X509_get_key_usage(certificate) & UInt32(KU_DIGITAL_SIGNATURE) == 0 {
                return "the certificate is not for this use: its key usage has no digitalSignature"
                    + " \(VerificationReason.which(description))"
            }
        }
        return nil
    }

    /// Compares with dNSName or iPAddress; the subject's common name is never looked at.
    private static func checkName(_ leaf: OpaquePointer, _ target: ServerName) -> String? {
        let isMatch: Bool
        switch target {
        case .dns(let name):
            let flags = UInt32(X509_CHECK_FLAG_NO_WILDCARDS) | UInt32(X509_CHECK_FLAG_NEVER_CHECK_SUBJECT)
            isMatch = X509_check_host(leaf, name, name.utf8.count, flags, nil) == 1
        case .address(let bytes, _):
            isMatch = X509_check_ip(leaf, bytes, bytes.count, 0) == 1
        }
        if isMatch { return nil }
        let description = CertificateDescription(of: leaf)
        let names = description.alternativeNames
        let has = names.isEmpty ? "none (no subject alternative names)" : names.prefix(20).joined(separator: ", ")
        let hint =
            names.contains { $0.hasPrefix("DNS:*") || $0.hasPrefix("DNS:") && $0.contains("*") }
            ? "; wildcards do not count (RFC 9289)" : ""
        return "the certificate has another name: wanted \(target.text), it has \(has)\(hint)"
            + " \(VerificationReason.which(description))"
    }

    /// What the server chose as application protocol, which has come before its certificate. An alert can still be
    /// sent.
    private static func checkProtocol(_ ssl: OpaquePointer, _ state: HandshakeState) -> HandshakeFailure? {
        guard state.context.role == .client else { return nil }
        switch ApplicationProtocol.agreed(ssl) {
        case sunrpc?: return nil
        case let other?:
            return HandshakeFailure(
                .protocolViolation, "the peer chose another application protocol (ALPN): \(other), not \(sunrpc)")
        case nil:
            guard state.context.configuration.strictALPN else { return nil }
            return HandshakeFailure(
                .protocolViolation, "the peer agreed on no application protocol (ALPN), and \(sunrpc) is insisted on")
        }
    }
}

/// What ALPN came to (RFC 7301).
enum ApplicationProtocol {
    static func agreed(_ ssl: OpaquePointer) -> String? {
        var bytes: UnsafePointer<UInt8>?
        var count: UInt32 = 0
        SSL_get0_alpn_selected(ssl, &bytes, &count)
        guard let bytes, count > 0 else { return nil }
        return printableName(UnsafeBufferPointer(start: bytes, count: Int(count)))
    }
}
