import Kernel
import RPC
import SecureChannel
import SystemPackage

/// The client engine's way from a name to a secured connection: resolve, connect, probe (RFC 9289 section 4.1), handshake.
package struct ClientSecurer: Sendable {
    private let daemon: HandshakeDaemon
    private let mutual: Bool
    private let certificateName: String?
    private let patience: Double

    /// - Parameters:
    ///   - mutual: whether this end must have a certificate to show: `xprtsec=mtls`.
    ///   - certificateName: the name the server's certificate must carry; nil: the host's.
    ///   - patience: seconds each step may take.
    package init(daemon: HandshakeDaemon, mutual: Bool, certificateName: String?, patience: Double) {
        self.daemon = daemon
        self.mutual = mutual
        self.certificateName = certificateName
        self.patience = patience
    }

    /// A step that failed: which, on what address, and why. Nothing but the probe was sent in cleartext.
    package struct Failure: Error, Sendable, CustomStringConvertible {
        package enum Step: String, Sendable { case resolve, connect, probe, handshake }
        package let step: Step
        package let address: String
        package let reason: String
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
    package func connect(
        host: String, port: UInt16, program: UInt32, version: UInt32
    ) throws(Failure) -> SecuredConnection {
        let (socket, address) = try open(host: host, port: port)
        do throws(StartTLS.Refusal) {
            try StartTLS.probe(
                .cleartext(socket), program: program, version: version, until: .after(seconds: patience))
        } catch {
            let waited = if case .timedOut = error { " within \(patience) s" } else { "" }
            throw Failure(step: .probe, address: address, reason: "\(error)\(waited)")
        }
        do throws(HandshakeFailure) {
            return try daemon.secure(
                socket,
                HandshakeRequest(
                    peerName: certificateName ?? host, mutual: mutual, deadline: .after(seconds: patience)))
        } catch {
            throw Failure(step: .handshake, address: address, reason: error.reason)
        }
    }

    /// Tries each of the name's addresses in turn.
    private func open(host: String, port: UInt16) throws(Failure) -> (SharedDescriptor, String) {
        let addresses: [SocketAddress]
        do throws(ResolveError) {
            addresses = try SocketAddress.resolve(host, port: port)
        } catch {
            throw Failure(step: .resolve, address: host, reason: "\(error)")
        }
        var last = Failure(step: .resolve, address: host, reason: "'\(host)' has no address")
        for address in addresses {
            // The name the user gave, and which of its addresses was meant.
            let label = address.host == host ? "\(address)" : "\(host) (\(address))"
            do throws(SystemError) {
                return (
                    SharedDescriptor(try Socket.connect(to: address, until: .after(seconds: patience))), label
                )
            } catch {
                let waited = error.errno == .timedOut ? " (waited \(patience) s)" : ""
                last = Failure(step: .connect, address: label, reason: "\(error.errno)\(waited)")
            }
        }
        throw last
    }
}
