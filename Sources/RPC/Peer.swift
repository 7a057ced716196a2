/// Who a connection's calls come from.
package struct Peer: Sendable {
    /// The address and port, in digits.
    package let address: String
    /// How the connection is protected.
    package let protection: Protection

    /// Whether this end could change its keys if the peer asked now: ``Channel/takesKeyUpdates``.
    package let takesKeyUpdates: @Sendable () -> Bool

    package init(
        address: String, protection: Protection, takesKeyUpdates: @escaping @Sendable () -> Bool = { false }
    ) {
        self.address = address
        self.protection = protection
        self.takesKeyUpdates = takesKeyUpdates
    }

    package enum Protection: Sendable, Equatable {
        /// Cleartext.
        case none
        /// TLS, and the client showed no certificate.
        case tls
        /// Mutual TLS.
        case mutual(PeerCertificate)
    }
}

/// What a client's certificate, which was verified, says of it (RFC 9289 section 5.2.1).
package struct PeerCertificate: Sendable, Hashable {
    /// SHA-256 of the certificate, in hexadecimal.
    package var fingerprint: String
    /// As RFC 2253 writes it.
    package var subject: String
    /// Its dNSNames, in lower case.
    package var hosts: [String]
    /// The user it names by otherName 1.3.6.1.4.1.2238.1.1.1, as FreeBSD's rpc.tlsservd takes it: `alice@example.org`.
    package var userName: String?
    /// Who that user is on this machine; nil where the handshake daemon maps no users, or knows none of that name.
    package var user: MappedUser?

    package init(
        fingerprint: String, subject: String, hosts: [String] = [], userName: String? = nil, user: MappedUser? = nil
    ) {
        self.fingerprint = fingerprint
        self.subject = subject
        self.hosts = hosts
        self.userName = userName
        self.user = user
    }
}

/// A user of this machine, as the password and group databases have it.
package struct MappedUser: Sendable, Hashable {
    package var uid: UInt32
    package var gid: UInt32
    /// All groups, without a limit such as AUTH_SYS has.
    package var groups: [UInt32]

    package init(uid: UInt32, gid: UInt32, groups: [UInt32]) {
        self.uid = uid
        self.gid = gid
        self.groups = groups
    }
}
