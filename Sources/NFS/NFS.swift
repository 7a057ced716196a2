/// NFS version 3, RFC 1813: its procedures as Swift types, for the client and the server alike.
package enum NFS {
    package static let program: UInt32 = 100_003
    package static let version: UInt32 = 3

    /// Bytes of payload that a READ or a WRITE may have, whoever asks: NFS3_MAXDATA of nfs3.x.
    package static let payloadLimit = 16 << 20

    /// The procedures by number, RFC 1813 section 3.3.
    package enum ProcedureNumber: UInt32, Sendable, CaseIterable {
        case null, getAttr, setAttr, lookup, access, readLink, read, write, create, mkDir, symLink, mkNod, remove, rmDir
        case rename, link, readDir, readDirPlus, fsStat, fsInfo, pathConf, commit

        /// The RFC's name: `GETATTR`.
        package var name: String { "\(self)".uppercased() }
    }

    /// An 8-byte verifier: a cookie verifier, a create verifier or a write verifier. Only equality has a meaning.
    package typealias Verifier = UInt64
}

extension UInt64 {
    /// Of 8 opaque bytes.
    init(verifier: (CChar, CChar, CChar, CChar, CChar, CChar, CChar, CChar)) {
        self = withUnsafeBytes(of: verifier) { UInt64(bigEndian: $0.loadUnaligned(as: UInt64.self)) }
    }

    /// As 8 opaque bytes.
    var verifier: (CChar, CChar, CChar, CChar, CChar, CChar, CChar, CChar) {
        unsafeBitCast(bigEndian, to: (CChar, CChar, CChar, CChar, CChar, CChar, CChar, CChar).self)
    }
}
