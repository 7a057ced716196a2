package import Kernel
package import RPC
package import SecureChannel

/// What an engine asks a handshake daemon for, for one connected TCP socket.
package struct HandshakeRequest: Sendable {
    /// Client: the name or the address in digits that the user gave, which the server's certificate must carry. Server:
    /// the peer's address in digits, for the log.
    package var peerName: String
    /// Server: whether a client without a certificate is refused (`mtls`) or taken (`tls`). Client: whether the daemon must
    /// have a certificate to show.
    package var mutual: Bool
    /// When the handshake must be over.
    package var deadline: Deadline

    package init(peerName: String, mutual: Bool, deadline: Deadline) {
        self.peerName = peerName
        self.mutual = mutual
        self.deadline = deadline
    }
}

/// A finished handshake.
package struct HandshakeOutcome: Sendable {
    package let secrets: SessionSecrets
    /// Nil where the client showed no certificate.
    package var peer: PeerIdentity?
    /// The ALPN protocol that was agreed on; nil where the peer has no ALPN (RFC 9289 section 5: the field's peers do not).
    package let applicationProtocol: String?
    /// What the peer's certificate says that was left out of account, and why: for the log.
    package let remark: String?
    /// The peer's certificate and those that stand above it, in DER, leaf first: what a later check goes by.
    package let chain: [[UInt8]]

    package init(
        secrets: SessionSecrets, peer: PeerIdentity?, applicationProtocol: String?, remark: String? = nil,
        chain: [[UInt8]] = []
    ) {
        self.secrets = secrets
        self.peer = peer
        self.applicationProtocol = applicationProtocol
        self.remark = remark
        self.chain = chain
    }
}

/// Who a verified certificate says the peer is (RFC 9289 section 5.2.1).
package struct PeerIdentity: Sendable, Equatable {
    /// The subject and the issuer as RFC 2253 writes them.
    package let subject: String
    package let issuer: String
    /// Hexadecimal, as `openssl x509 -serial` has it.
    package let serial: String
    /// `DNS:name`, `IP:address` and so on.
    package let alternativeNames: [String]
    /// SHA-256 of the certificate in hexadecimal, lower case, without colons.
    package let fingerprint: String
    /// The one otherName 1.3.6.1.4.1.2238.1.1.1, `user@domain`; nil where there is none that is well formed.
    package let userName: String?
    /// When the certificate expires, in seconds since 1970; nil where that is not known.
    package let notAfter: Int?
    /// Who that is on the daemon's machine; nil where the daemon maps no users, or does not map this one.
    package var user: MappedUser?

    package init(
        subject: String, issuer: String, serial: String, alternativeNames: [String], fingerprint: String,
        userName: String? = nil, notAfter: Int? = nil, user: MappedUser? = nil
    ) {
        self.subject = subject
        self.issuer = issuer
        self.serial = serial
        self.alternativeNames = alternativeNames
        self.fingerprint = fingerprint
        self.userName = userName
        self.notAfter = notAfter
        self.user = user
    }
}

/// A handshake that did not succeed: what kind of failure, and a reason a person understands.
package struct HandshakeFailure: Error, Sendable, CustomStringConvertible {
    package enum Kind: UInt32, Sendable {
        /// The daemon could not do its part: no certificate, an unreadable file, no memory.
        case local = 1
        /// The peer is not what it must be: untrusted, wrong name, expired, revoked, no certificate.
        case peerRefused = 2
        /// The peer ended the handshake, with an alert where the reason names one.
        case refusedByPeer = 3
        /// The deadline passed.
        case timedOut = 4
        /// The peer's bytes were not TLS 1.3.
        case protocolViolation = 5
        /// The connection broke.
        case connectionLost = 6
        /// The caller may not use the daemon.
        case notPermitted = 7
        /// The record layer that was asked for cannot be had.
        case recordLayer = 8
    }

    package let kind: Kind
    package let reason: String

    package init(_ kind: Kind, _ reason: String) {
        self.kind = kind
        self.reason = reason
    }

    package var description: String { reason }
}

/// What does handshakes: libssl in the daemons, something simpler in a test.
package protocol Handshaker: Sendable {
    /// Does one handshake and blocks until it is over.
    ///
    /// - Parameters:
    ///   - socket: connected and non-blocking, at the first byte of the handshake. It stays the caller's. Afterwards not one
    ///     byte beyond the handshake has been read from it or written to it.
    ///   - request: what is wanted.
    /// - Throws: ``HandshakeFailure``; a TLS alert has been sent where the protocol has one for the reason.
    func handshake(on socket: Int32, _ request: HandshakeRequest) throws(HandshakeFailure) -> HandshakeOutcome

    /// Checks a certificate again that a handshake's outcome had, with what is trusted and revoked now (RFC 9289 section
    /// 5.2.1).
    ///
    /// - Parameter chain: ``HandshakeOutcome/chain``.
    /// - Returns: what is wrong with it; nil where it is as good as it was.
    func objection(to chain: [[UInt8]]) -> String?
}
