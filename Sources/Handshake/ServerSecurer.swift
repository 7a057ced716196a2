package import Kernel
package import RPC
package import SecureChannel

/// The server engine's side of a handshake: the upcall to tlssd.
package struct ServerSecurer: ConnectionSecurer {
    private let daemon: HandshakeDaemon
    private let mutual: @Sendable () -> Bool
    private let patience: Double

    /// - Parameters:
    ///   - mutual: whether a client must show a certificate: `xprtsec=mtls`. Asked at each handshake, since exports may
    ///     be loaded anew between two; from any thread.
    ///   - patience: seconds a handshake may take.
    package init(daemon: HandshakeDaemon, mutual: @escaping @Sendable () -> Bool, patience: Double) {
        self.daemon = daemon
        self.mutual = mutual
        self.patience = patience
    }

    package func secure(_ socket: SharedDescriptor, peerAddress: String) throws -> (Channel, Peer.Protection) {
        let secured = try daemon.secure(
            socket, HandshakeRequest(peerName: peerAddress, mutual: mutual(), deadline: .after(seconds: patience)))
        let protection = secured.peer.map { Peer.Protection.mutual($0.certificate) }
        return (secured.channel, protection ?? .tls)
    }
}

extension PeerIdentity {
    /// What of it an RPC program looks at.
    fileprivate var certificate: PeerCertificate {
        let marker = "DNS:"
        return PeerCertificate(
            fingerprint: fingerprint, subject: subject,
            hosts: alternativeNames.filter { $0.hasPrefix(marker) }.map { $0.dropFirst(marker.count).lowercased() },
            userName: userName, user: user)
    }
}
