import Kernel
package import RPC
import SecureChannel

/// The client engine's way from a name to a secured connection: resolve, connect, probe (RFC 9289 section 4.1), handshake.
package struct ClientSecurer: Sendable {
    private let daemon: HandshakeDaemon
    private let mutual: Bool
    private let certificateName: String?
    private let patience: Double
    private let connector: Connector

    /// - Parameters:
    ///   - mutual: whether this end must have a certificate to show: `xprtsec=mtls`.
    ///   - certificateName: the name the server's certificate must carry; nil: the host's.
    ///   - patience: seconds each step may take.
    ///   - reservedPort: see ``Connector``.
    package init(
        daemon: HandshakeDaemon, mutual: Bool, certificateName: String?, patience: Double, reservedPort: Bool = false
    ) {
        self.daemon = daemon
        self.mutual = mutual
        self.certificateName = certificateName
        self.patience = patience
        connector = Connector(patience: patience, reservedPort: reservedPort)
    }

    /// A step that failed: which, on what address, and why. Nothing but the probe was sent in cleartext.
    package struct Failure: Error, Sendable, CustomStringConvertible {
        package enum Step: String, Sendable { case resolve, connect, probe, handshake }
        package let step: Step
        package let address: String
        package let reason: String
        /// What the probe was answered with, where that is what failed.
        package let refusal: StartTLS.Refusal?

        init(step: Step, address: String, reason: String, refusal: StartTLS.Refusal? = nil) {
            self.step = step
            self.address = address
            self.reason = reason
            self.refusal = refusal
        }

        package var description: String {
            switch step {
            case .resolve: reason
            case .connect: "cannot connect to \(address): \(reason)"
            case .probe: "\(address): \(reason)"
            case .handshake: "\(address): the TLS handshake failed: \(reason)"
            }
        }
    }

    /// - Parameters:
    ///   - host: a DNS name or an address in digits.
    ///   - program: whose NULL procedure carries the probe.
    ///   - stepDone: told of each step that is done.
    package func connect(
        host: String, port: UInt16, program: UInt32, version: UInt32,
        stepDone: (ConnectionStep) -> Void = { _ in }
    ) throws(Failure) -> SecuredConnection {
        let (socket, address) = try connector.connect(host: host, port: port, stepDone: stepDone)
        do throws(StartTLS.Refusal) {
            try StartTLS.probe(
                .cleartext(socket), program: program, version: version, until: .after(seconds: patience))
        } catch {
            let waited = if case .timedOut = error { " within \(patience) s" } else { "" }
            throw Failure(step: .probe, address: address, reason: "\(error)\(waited)", refusal: error)
        }
        stepDone(.startTLS)
        do throws(HandshakeFailure) {
            let secured = try daemon.secure(
                socket,
                HandshakeRequest(
                    peerName: certificateName ?? host, mutual: mutual, deadline: .after(seconds: patience)))
            stepDone(.handshake)
            return secured
        } catch {
            throw Failure(step: .handshake, address: address, reason: error.reason)
        }
    }
}
