package import Certificates
package import Handshake
import Synchronization

/// Does the server's side of handshakes: TLS 1.3, ALPN `sunrpc`, a client's certificate always asked for (RFC 9289).
///
/// Handshakes run on as many threads as their callers have; a reload meets none of those under way.
package final class ServerHandshaker: Handshaker {
    private let holder: ContextHolder

    /// - Throws: ``CertificateError`` that names the file and the reason.
    package init(_ configuration: TLSConfiguration) throws(CertificateError) {
        holder = try ContextHolder(configuration, .server)
    }

    /// The certificate that is shown, as loaded last.
    package var certificate: CertificateDescription? { holder.context.certificate }

    /// Loads every file again. What was loaded stays in use where that fails.
    package func reload() throws(CertificateError) { try holder.reload() }

    package func handshake(
        on socket: Int32, _ request: HandshakeRequest
    ) throws(HandshakeFailure) -> HandshakeOutcome {
        try HandshakeRun(holder.context, request, socket: socket).outcome()
    }
}

/// Does the client's side of handshakes. A server that refuses the client's certificate says so only after this side
/// is done (RFC 8446 section 4.4.4): that alert is the first record the channel receives.
package final class ClientHandshaker: Handshaker {
    private let holder: ContextHolder

    /// - Throws: ``CertificateError`` that names the file and the reason.
    package init(_ configuration: TLSConfiguration) throws(CertificateError) {
        holder = try ContextHolder(configuration, .client)
    }

    /// The certificate that is shown, as loaded last; nil where there is none.
    package var certificate: CertificateDescription? { holder.context.certificate }

    /// Loads every file again. What was loaded stays in use where that fails.
    package func reload() throws(CertificateError) { try holder.reload() }

    package func handshake(
        on socket: Int32, _ request: HandshakeRequest
    ) throws(HandshakeFailure) -> HandshakeOutcome {
        try HandshakeRun(holder.context, request, socket: socket).outcome()
    }
}

/// The context in use, and how a new one takes its place.
private final class ContextHolder: Sendable {
    private let current: Mutex<TLSContext>

    init(_ configuration: TLSConfiguration, _ role: TLSRole) throws(CertificateError) {
        current = Mutex(try TLSContext(configuration, role: role))
    }

    var context: TLSContext { current.withLock { $0 } }

    func reload() throws(CertificateError) {
        let old = context
        let new = try TLSContext(old.configuration, role: old.role)
        current.withLock { $0 = new }
    }
}
