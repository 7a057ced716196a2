package import Kernel
import SystemPackage

/// Why a channel is of no more use.
package enum ChannelError: Error, Sendable, CustomStringConvertible {
    /// The stream ended without close_notify: bytes may be missing, and whoever cut it may have wanted that.
    case truncated
    /// The peer said why it ends the connection.
    case peerAlert(Alert)
    /// The peer's bytes are not TLS records it should send now; the alert is what it is told.
    case violation(Alert, String)
    /// A KeyUpdate came and this end cannot take it.
    case cannotRekey(String)
    /// The key this end sends under has protected as many records as it may (RFC 8446 section 5.5).
    case keyUsedUp
    /// A file got shorter while it was being sent: the rest of its message cannot be made up.
    case fileTruncated
    /// The socket, or a file being sent, failed.
    case system(SystemError)
    /// This end closed it.
    case closed

    package var description: String {
        switch self {
        case .truncated: "the connection was cut without a close_notify alert"
        case .peerAlert(let alert): Self.words(for: alert)
        case .violation(let alert, let reason): "\(reason) (\(alert))"
        case .cannotRekey(let reason): "the peer changed its key (KeyUpdate): \(reason)"
        case .keyUsedUp: "the connection's key has protected as many records as it may"
        case .fileTruncated: "a file got shorter while it was sent"
        case .system(let error): "\(error)"
        case .closed: "the connection is closed"
        }
    }

    /// What the peer is told of it; nil where TLS has no alert for it, or the peer knows.
    package var alert: Alert? {
        switch self {
        case .violation(let alert, _): alert
        case .cannotRekey: .internalError
        default: nil
        }
    }

    /// A server that refuses the client's certificate can say so only after the client's handshake is over (RFC 8446
    /// section 4.4.4), so these alerts are read here and not in the handshake.
    private static func words(for alert: Alert) -> String {
        switch alert.code {
        case 116: "the server asks for a client certificate and got none (\(alert))"
        case 42...46, 48, 49: "the peer refuses this end's certificate (\(alert))"
        default: "the peer ended the connection with the alert \(alert)"
        }
    }
}
