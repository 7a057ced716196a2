/// What exports(5) calls the options of an export: what a client may do, as whom, and how its connection is protected.
package struct ExportOptions: Hashable, Sendable {
    /// `ro`, or `rw`.
    package var readOnly = true
    /// `root_squash`, `no_root_squash` or `all_squash`.
    package var squash = Squash.root
    /// `anonuid=`, `anongid=`: who a squashed caller, or one without a credential, acts as.
    package var anonymousUID: UInt32 = 65534
    package var anonymousGID: UInt32 = 65534
    /// The weakest protection that is good enough: the weakest word of `xprtsec=none:tls:mtls`. Stronger ones always are.
    package var protection = TransportProtection.mtls
    /// `tlscertuser`: calls act as the user that the client's certificate names, whatever their AUTH_SYS credential says.
    package var userFromCertificate = false
    /// `cleartext_mount`: MOUNT is answered without TLS too, for clients that cannot ask it otherwise (Linux's). The
    /// handle that it gives is of no use without the protection that the export asks for.
    package var cleartextMount = false
    /// `secure`: only from a port below 1024. `insecure` is the default here, unlike Linux's: with TLS a port proves
    /// nothing.
    package var reservedPort = false
    /// `sync`: a change is on disk before it is answered (RFC 1813 section 4.8). `async`: a crash of the machine may
    /// lose changes that were answered.
    package var synchronous = true

    package init() {}

    package enum Squash: Hashable, Sendable {
        /// Every caller is who its credential says.
        case none
        /// uid 0 and gid 0 become the anonymous ones.
        case root
        /// Every caller is the anonymous user.
        case all
    }
}

/// How the bytes of a connection are protected, weakest first.
package enum TransportProtection: Int, Hashable, Sendable, Comparable, CaseIterable {
    /// Cleartext.
    case none
    /// TLS; the client showed no certificate.
    case tls
    /// TLS, and the client showed a certificate.
    case mtls

    package static func < (a: TransportProtection, b: TransportProtection) -> Bool { a.rawValue < b.rawValue }

    /// The word of `xprtsec=`.
    package var word: String { "\(self)" }
}
