import COpenSSL
import Certificates
import SecureChannel

/// A loaded configuration: an SSL_CTX that nobody changes any more and that many handshakes share.
final class TLSContext: @unchecked Sendable {
    // Unchecked: SSL_new(3) may be called from several threads on a context that is not changed meanwhile.
    /// SSL_CTX*, valid while this object is referenced.
    let pointer: OpaquePointer
    let role: Channel.Role
    let configuration: TLSConfiguration
    /// The certificate this side shows.
    let certificate: CertificateDescription?

    /// Where each SSL keeps its ``HandshakeState``.
    static let stateIndex = copenssl_new_ex_index()

    /// Loads every file there is.
    ///
    /// - Throws: ``CertificateError`` that names the file and the reason.
    init(_ configuration: TLSConfiguration, role: Channel.Role) throws(CertificateError) {
        self.role = role
        self.configuration = configuration
        do throws(OpenSSLError) {
            pointer = try openSSL("making a TLS context") {
                SSL_CTX_new(role == .client ? TLS_client_method() : TLS_server_method())
            }
        } catch {
            throw CertificateError(error)
        }
        var shown: Certificate?
        do {
            try Self.restrict(pointer, configuration)
            shown = try Self.loadCertificate(pointer, configuration, role)
            try Self.loadTrust(pointer, configuration, role)
        } catch {
            SSL_CTX_free(pointer)
            throw error as? CertificateError ?? CertificateError(.crypto, "\(error)")
        }
        certificate = shown?.description
        installCallbacks()
    }

    deinit { SSL_CTX_free(pointer) }

    private static func restrict(_ context: OpaquePointer, _ configuration: TLSConfiguration) throws {
        try openSSLStatus("asking for TLS 1.3") { copenssl_only_tls13(context) }
        copenssl_restrict(context)
        guard !configuration.cipherSuites.isEmpty else {
            throw CertificateError(.invalidSetting, "no cipher suite to offer")
        }
        let suites = configuration.cipherSuites.map(\.name).joined(separator: ":")
        try openSSLStatus("choosing the cipher suites \(suites)") { SSL_CTX_set_ciphersuites(context, suites) }
        // A ticket after the handshake takes sequence number 0 of the application keys, which the record layer counts
        // on.
        try openSSLStatus("switching tickets off") { SSL_CTX_set_num_tickets(context, 0) }
        try openSSLStatus("switching early data off") { SSL_CTX_set_max_early_data(context, 0) }
    }

    private static func loadCertificate(
        _ context: OpaquePointer, _ configuration: TLSConfiguration, _ role: Channel.Role
    ) throws -> Certificate? {
        guard let file = configuration.certificateFile else {
            if role == .server { throw CertificateError(.invalidSetting, "a server needs a certificate") }
            if let key = configuration.keyFile {
                throw CertificateError(.invalidSetting, "private key \(key): there is no certificate for it")
            }
            return nil
        }
        let chain = try PEMFile.certificates(file)
        let keyFile = configuration.keyFile ?? file
        let key = try PEMFile.privateKey(keyFile)
        guard let leaf = chain.first else { throw CertificateError(.malformed, "certificate \(file): empty") }
        guard leaf.matches(key) else {
            throw CertificateError(
                .mismatch,
                "private key \(keyFile): not the key of the certificate \(file) (\(leaf.description.subject))")
        }
        try openSSLStatus("using the certificate \(file)") { SSL_CTX_use_certificate(context, leaf.pointer) }
        for certificate in chain.dropFirst() {
            try openSSLStatus("using the certificate \(file)") { copenssl_add_chain(context, certificate.pointer) }
        }
        try openSSLStatus("using the private key \(keyFile)") { SSL_CTX_use_PrivateKey(context, key.pointer) }
        return leaf
    }

    private static func loadTrust(
        _ context: OpaquePointer, _ configuration: TLSConfiguration, _ role: Channel.Role
    ) throws {
        let store = try openSSL("opening the trust store") { SSL_CTX_get_cert_store(context) }
        if let file = configuration.trustAnchorsFile {
            for anchor in try PEMFile.certificates(file, purpose: "trust anchors") {
                try openSSLStatus("using the trust anchors \(file)") { X509_STORE_add_cert(store, anchor.pointer) }
            }
        } else if role == .client {
            try openSSLStatus("opening the system's trust store") { SSL_CTX_set_default_verify_paths(context) }
        }
        // What the file holds is trusted, be it an authority that another one stands above.
        var flags = UInt(X509_V_FLAG_PARTIAL_CHAIN)
        if let file = configuration.revocationFile {
            for list in try PEMFile.revocationLists(file) {
                try openSSLStatus("using the revocation list \(file)") { X509_STORE_add_crl(store, list.pointer) }
            }
            flags |= UInt(X509_V_FLAG_CRL_CHECK) | UInt(X509_V_FLAG_CRL_CHECK_ALL)
        }
        try openSSLStatus("setting up verification") { X509_STORE_set_flags(store, flags) }
    }

    private func installCallbacks() {
        SSL_CTX_set_keylog_callback(pointer) { ssl, line in
            guard let line else { return }
            HandshakeState.of(ssl)?.takeSecret(line)
        }
        SSL_CTX_set_info_callback(pointer) { ssl, place, value in
            let alert = copenssl_alert_read(place, value)
            if alert >= 0 { HandshakeState.of(ssl)?.alertReceived = UInt8(truncatingIfNeeded: alert) }
        }
        // Both sides verify what they are shown. The server's list of authorities stays empty: a client that has one of
        // its own to choose by would hold back a certificate whose issuer is an intermediate.
        SSL_CTX_set_verify(pointer, SSL_VERIFY_PEER, nil)
        SSL_CTX_set_cert_verify_callback(pointer, { store, _ in PeerVerification.verify(store) }, nil)
        guard role == .server else { return }
        SSL_CTX_set_client_hello_cb(pointer, { ssl, alert, _ in ClientHello.check(ssl, alert) }, nil)
        SSL_CTX_set_alpn_select_cb(
            pointer,
            { ssl, chosen, chosenLength, offered, offeredLength, _ in
                ClientHello.selectProtocol(ssl, chosen, chosenLength, offered, offeredLength)
            }, nil)
    }
}
