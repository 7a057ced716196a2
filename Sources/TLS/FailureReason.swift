import COpenSSL
import Certificates
import Handshake
import Kernel
import SecureChannel
import SystemPackage

/// Why SSL_do_handshake(3) failed.
enum FailureReason {
    /// The most telling of what is known: what a callback refused, what the peer said, what the socket said, what
    /// OpenSSL says.
    static func of(_ state: HandshakeState, _ error: OpenSSLError) -> HandshakeFailure {
        if let refusal = state.refusal { return refusal }
        if let alert = state.alertReceived { return refused(alert) }
        if let broken = state.socketError {
            if state.received == 0, broken.errno == .brokenPipe || broken.errno == .connectionReset {
                return closedFirst
            }
            return HandshakeFailure(.connectionLost, "the connection broke in the handshake: \(broken)")
        }
        if state.reachedEnd {
            return state.received == 0
                ? closedFirst
                : HandshakeFailure(
                    .connectionLost,
                    "the peer closed the connection in the handshake, after \(state.received) bytes, without a reason")
        }
        return fromLibrary(state, error)
    }

    /// What a server's side does whose own daemon is not there, or does not answer it.
    private static var closedFirst: HandshakeFailure {
        HandshakeFailure(
            .connectionLost,
            "the peer closed the connection before it sent anything of a TLS handshake (its own log may say why)")
    }

    private static func refused(_ code: UInt8) -> HandshakeFailure {
        let alert = Alert(code: code)
        if code == UInt8(SSL_AD_PROTOCOL_VERSION) {
            return HandshakeFailure(
                .protocolViolation, "the peer speaks no TLS 1.3 (it answered with the alert \(alert))")
        }
        let meaning = alert.meaning.map { ": \($0)" } ?? ""
        return HandshakeFailure(.refusedByPeer, "the peer refused the handshake with the alert \(alert)\(meaning)")
    }

    private static func fromLibrary(_ state: HandshakeState, _ error: OpenSSLError) -> HandshakeFailure {
        func has(_ reasons: Int32...) -> Bool { reasons.contains { error.has(ERR_LIB_SSL, $0) } }
        if has(SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE) {
            return HandshakeFailure(.peerRefused, "the client showed no certificate, and mutual TLS is wanted")
        }
        if has(SSL_R_NO_SHARED_CIPHER) {
            let ours = state.context.configuration.cipherSuites.map(\.name).joined(separator: ", ")
            return HandshakeFailure(.protocolViolation, "no cipher suite in common: the peer offered none of \(ours)")
        }
        if !looksLikeTLS(state.firstBytes) {
            return HandshakeFailure(
                .protocolViolation,
                "the peer's bytes are not TLS: they begin with \(hexadecimal(state.firstBytes))"
                    + " ('\(printable(state.firstBytes))')")
        }
        if has(SSL_R_UNSUPPORTED_PROTOCOL, SSL_R_WRONG_SSL_VERSION, SSL_R_BAD_PROTOCOL_VERSION_NUMBER) {
            return HandshakeFailure(
                .protocolViolation, "the peer speaks no TLS 1.3 (it answered with an older version)")
        }
        // OpenSSL refuses by itself what a client has not offered, under this name and no closer one.
        if has(SSL_R_BAD_EXTENSION) && error.entries.contains(where: { $0.function.contains("alpn") }) {
            return HandshakeFailure(
                .protocolViolation, "the peer chose another application protocol (ALPN) than \(sunrpc)")
        }
        let isProtocol = error.entries.contains { $0.library == ERR_LIB_SSL && $0.reason < ERR_R_FATAL }
        return HandshakeFailure(isProtocol ? .protocolViolation : .local, "the handshake failed: \(error.reasons)")
    }

    /// Whether the bytes can begin a record of TLS: a content type and version 3.x (RFC 8446 section 5.1).
    private static func looksLikeTLS(_ bytes: [UInt8]) -> Bool {
        guard bytes.count >= 2 else { return true }
        return (20...23).contains(bytes[0]) && bytes[1] == 3
    }
}
