package import Certificates
package import Handshake
package import SecureChannel
import Synchronization

/// Does one side of handshakes: TLS 1.3, ALPN `sunrpc` (RFC 9289). The server's side always asks for a certificate.
///
/// Handshakes run on as many threads as their callers have; a reload meets none of those under way. A server that refuses
/// the client's certificate says so only after the client's side is done (RFC 8446 section 4.4.4): that alert is the first
/// record the channel receives.
package final class TLSHandshaker: Handshaker {
    private let holder: ContextHolder

    /// - Throws: ``CertificateError`` that names the file and the reason.
    package init(_ role: Channel.Role, _ configuration: TLSConfiguration) throws(CertificateError) {
        holder = try ContextHolder(configuration, role)
    }

    /// The certificate that is shown, as loaded last; nil where there is none.
    package var certificate: CertificateDescription? { holder.context.certificate }

    /// Loads every file again. What was loaded stays in use where that fails.
    package func reload() throws(CertificateError) { try holder.reload() }

    package func objection(to chain: [[UInt8]]) -> String? { PeerVerification.objection(to: chain, holder.context) }

    package func handshake(
        on socket: Int32, _ request: HandshakeRequest
    ) throws(HandshakeFailure) -> HandshakeOutcome {
        try HandshakeRun(holder.context, request, socket: socket).outcome()
    }
}

/// The context in use, and how a new one takes its place.
private final class ContextHolder: Sendable {
    private let current: Mutex<TLSContext>

    init(_ configuration: TLSConfiguration, _ role: Channel.Role) throws(CertificateError) {
        current = Mutex(try TLSContext(configuration, role: role))
    }

    var context: TLSContext { current.withLock { $0 } }

    func reload() throws(CertificateError) {
        let old = context
        let new = try TLSContext(old.configuration, role: old.role)
        current.withLock { $0 = new }
    }
}
