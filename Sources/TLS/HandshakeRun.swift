import COpenSSL
import Certificates
import Glibc
import Handshake
import Kernel
import SecureChannel

/// One handshake, from the first byte to the outcome.
final class HandshakeRun {
    private let ssl: OpaquePointer
    private let state: HandshakeState
    private let began = Deadline.clock

    init(
        _ context: TLSContext, _ request: HandshakeRequest, socket: Int32
    ) throws(HandshakeFailure) {
        let target = context.role == .client ? try ServerName(request.peerName) : nil
        if request.mutual && context.certificate == nil {
            throw HandshakeFailure(.local, "mutual TLS was asked for, and there is no certificate to show")
        }
        if request.mutual && context.role == .server && context.configuration.trustAnchorsFile == nil {
            throw HandshakeFailure(
                .local, "mutual TLS was asked for, and there are no trust anchors to check a client's certificate with")
        }
        let state = HandshakeState(context, request, target: target, socket: socket)
        OpenSSLError.clear()
        guard let ssl = SSL_new(context.pointer) else {
            throw HandshakeFailure(.local, "\(OpenSSLError(draining: "beginning a handshake"))")
        }
        self.ssl = ssl
        self.state = state
        do throws(OpenSSLError) {
            try Self.prepare(ssl, state)
        } catch {
            throw HandshakeFailure(.local, "\(error)")
        }
    }

    // No close_notify goes out: the connection's record layer ends it, with keys that this SSL never uses.
    deinit { SSL_free(ssl) }

    private static func prepare(_ ssl: OpaquePointer, _ state: HandshakeState) throws(OpenSSLError) {
        let operation = "beginning a handshake"
        SSL_set_quiet_shutdown(ssl, 1)
        let raw = Unmanaged.passUnretained(state).toOpaque()
        try openSSLStatus(operation) { SSL_set_ex_data(ssl, TLSContext.stateIndex, raw) }
        let bio = try openSSL(operation) { SocketBIO.make(state) }
        SSL_set_bio(ssl, bio, bio)
        switch state.context.role {
        case .server:
            if state.request.mutual {
                SSL_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nil)
            }
            SSL_set_accept_state(ssl)
        case .client:
            // RFC 6066 section 3: a name of the DNS, never an address.
            if case .dns(let name) = state.target {
                try openSSLStatus(operation) { copenssl_set_server_name(ssl, name) }
            }
            let offer = [UInt8(sunrpc.utf8.count)] + Array(sunrpc.utf8)
            // This one returns 0 for success.
            try openSSLStatus(operation) { SSL_set_alpn_protos(ssl, offer, UInt32(offer.count)) == 0 ? 1 : 0 }
            SSL_set_connect_state(ssl)
        }
    }

    /// Does the handshake.
    ///
    /// The outcome is a failure until every check of ``granted()`` has passed.
    func outcome() throws(HandshakeFailure) -> HandshakeOutcome {
        while true {
            OpenSSLError.clear()
            let result = SSL_do_handshake(ssl)
            if result == 1 { return try granted() }
            switch SSL_get_error(ssl, result) {
            case SSL_ERROR_WANT_READ: try wait(for: Int32(POLLIN))
            case SSL_ERROR_WANT_WRITE: try wait(for: Int32(POLLOUT))
            default: throw failure(OpenSSLError(draining: "the handshake"))
            }
        }
    }

    private func wait(for events: Int32) throws(HandshakeFailure) {
        let deadline = state.request.deadline
        // Looked at first: a peer that sends a byte at a time is always ready and never done.
        guard !deadline.hasPassed else { throw timeout() }
        let ready: Int32
        do throws(SystemError) {
            ready = try Poll.wait(state.socket, for: events, until: deadline)
        } catch {
            throw HandshakeFailure(.connectionLost, "the connection broke in the handshake: \(error)")
        }
        if ready == 0 { throw timeout() }
    }

    private func timeout() -> HandshakeFailure {
        let tenths = (Deadline.clock - began + 50_000_000) / 100_000_000
        let time = "\(tenths / 10).\(tenths % 10) s"
        return HandshakeFailure(
            .timedOut,
            state.received == 0
                ? "no answer in \(time): the peer sent nothing of a TLS handshake"
                : "the handshake was not over after \(time): the peer sent \(state.received) bytes and then too little")
    }

    /// The one place where a handshake becomes a success.
    private func granted() throws(HandshakeFailure) -> HandshakeOutcome {
        func violation(_ reason: String) -> HandshakeFailure { HandshakeFailure(.protocolViolation, reason) }
        guard SSL_version(ssl) == TLS1_3_VERSION else { throw violation("the peer agreed on no TLS 1.3") }
        guard SSL_session_reused(ssl) == 0 else { throw violation("the peer resumed a session, which is not offered") }
        guard SSL_has_pending(ssl) == 0 else {
            throw violation("the peer sent more in the handshake than belongs to it")
        }
        // Kernel TLS sends records of the full size.
        if let session = SSL_get_session(ssl), SSL_SESSION_get_max_fragment_length(session) != 0 {
            throw violation(
                "the peer insists on short records (max_fragment_length), which the record layers do not send")
        }
        guard let cipher = SSL_get_current_cipher(ssl),
            let suite = CipherSuite(rawValue: SSL_CIPHER_get_protocol_id(cipher))
        else { throw violation("the peer agreed on a cipher suite that is not offered") }
        guard let client = state.clientSecret, let server = state.serverSecret,
            client.count == suite.secretLength, server.count == suite.secretLength
        else { throw HandshakeFailure(.local, "OpenSSL gave no traffic secrets for \(suite.name)") }
        let applicationProtocol = ApplicationProtocol.agreed(ssl)
        if let applicationProtocol, applicationProtocol != sunrpc {
            throw violation("the peer chose another application protocol (ALPN): \(applicationProtocol), not \(sunrpc)")
        }
        if applicationProtocol == nil && state.context.configuration.strictALPN {
            throw violation("the peer agreed on no application protocol (ALPN), and \(sunrpc) is insisted on")
        }
        let (peer, remark) = try identity()
        if peer == nil && (state.context.role == .client || state.request.mutual) {
            throw HandshakeFailure(.peerRefused, "the peer showed no certificate")
        }
        return HandshakeOutcome(
            secrets: SessionSecrets(suite: suite, client: client, server: server), peer: peer,
            applicationProtocol: applicationProtocol, remark: remark, chain: chain())
    }

    /// The certificates that the peer's was verified with.
    private func chain() -> [[UInt8]] {
        guard let verified = SSL_get0_verified_chain(ssl) else { return [] }
        return (0..<max(0, OPENSSL_sk_num(verified))).compactMap { index in
            OPENSSL_sk_value(verified, index).map { Certificate.der(of: OpaquePointer($0)) }
        }
    }

    /// Who the peer is, and what its certificate says that is not taken.
    private func identity() throws(HandshakeFailure) -> (PeerIdentity?, String?) {
        guard let certificate = SSL_get0_peer_certificate(ssl) else { return (nil, nil) }
        guard SSL_get_verify_result(ssl) == Int(X509_V_OK) else {
            throw HandshakeFailure(.peerRefused, "the peer's certificate was not verified")
        }
        let description = CertificateDescription(of: certificate)
        var userName: String?
        var remark: String?
        switch description.userName {
        case .nobody: break
        case .one(let name): userName = "\(name)"
        case .unusable(let reason): remark = reason
        }
        let peer = PeerIdentity(
            subject: description.subject, issuer: description.issuer, serial: description.serial,
            alternativeNames: description.alternativeNames, fingerprint: description.fingerprint, userName: userName,
            notAfter: description.notAfter)
        return (peer, remark)
    }

    private func failure(_ error: OpenSSLError) -> HandshakeFailure { FailureReason.of(state, error) }
}
