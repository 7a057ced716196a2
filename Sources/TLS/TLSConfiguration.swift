package import SecureChannel

/// What a handshake daemon is told about its certificate and about whom it trusts. All files are PEM.
package struct TLSConfiguration: Sendable {
    /// The daemon's own certificate, followed by the intermediates a peer needs; nil: a client that shows none.
    package var certificateFile: String?
    /// The private key of the certificate; nil: in the certificate's file.
    package var keyFile: String?
    /// Whose certificates are trusted. Nil: for a client the system's trust store, for a server nobody's.
    package var trustAnchorsFile: String?
    /// The revocation lists of every authority in a peer's chain; nil: revocation is not checked.
    package var revocationFile: String?
    /// In the order of preference; one at least. A server's own order decides.
    package var cipherSuites: [CipherSuite]
    /// Whether a peer without ALPN is refused. A peer that agrees on another protocol than `sunrpc` always is.
    package var strictALPN: Bool

    package init(
        certificateFile: String? = nil, keyFile: String? = nil, trustAnchorsFile: String? = nil,
        revocationFile: String? = nil, cipherSuites: [CipherSuite] = CipherSuite.allCases, strictALPN: Bool = false
    ) {
        self.certificateFile = certificateFile
        self.keyFile = keyFile
        self.trustAnchorsFile = trustAnchorsFile
        self.revocationFile = revocationFile
        self.cipherSuites = cipherSuites
        self.strictALPN = strictALPN
    }
}

/// The one application protocol there is (RFC 9289 section 8.2).
let sunrpc = "sunrpc"
