import Kernel
import NFS
import RPC

/// Who makes a call to an export: what the export lets that client do, and as whom files are touched for it.
struct Caller: Sendable {
    let options: ExportOptions
    /// Nil: the server's own user.
    let identity: FileIdentity?
}

/// Whether a call may come to an export.
enum Admission {
    case admitted(Caller)
    /// To be told as MSG_DENIED, and why, for the log.
    case denied(AuthStatus, reason: String)
    /// To be told as the procedure's status.
    case refused(NFSStatus)
}

extension ServedExport {
    /// Finds the rule for a client, and looks at how its connection is protected and at what its credential says.
    func admit(_ call: Call) -> Admission {
        guard let export = current else { return .refused(.stale) }
        guard let options = export.options(for: call.peer) else { return .refused(.accessDenied) }
        guard call.peer.protection.level >= options.protection else {
            return .denied(
                .tooWeak,
                reason: "export \(export.name) asks for \(options.protection.requirement), and the connection has "
                    + call.peer.protection.level.possession)
        }
        guard !options.reservedPort || call.peer.hasReservedPort else {
            return .denied(.tooWeak, reason: "export \(export.name) asks for a client port below 1024")
        }
        guard let claimed = claimedIdentity(call, options) else {
            return .denied(
                .tooWeak, reason: "export \(export.name) asks for a certificate that names a user of this machine")
        }
        // Who cannot act as somebody else acts as itself.
        guard ThreadCredentials.canChange else { return .admitted(Caller(options: options, identity: nil)) }
        let identity = options.squashed(claimed)
        let own = ThreadCredentials.process
        let isOwn = identity.uid == own.uid && identity.gid == own.gid
        return .admitted(Caller(options: options, identity: isOwn ? nil : identity))
    }

    /// Nil where the export goes by the certificate's user and there is none.
    private func claimedIdentity(_ call: Call, _ options: ExportOptions) -> FileIdentity? {
        if options.userFromCertificate {
            guard case .mutual(let certificate) = call.peer.protection, let user = certificate.user else { return nil }
            return FileIdentity(uid: user.uid, gid: user.gid, groups: user.groups)
        }
        guard case .system(let uid, let gid, let groups) = call.credential else { return options.anonymous }
        return FileIdentity(uid: uid, gid: gid, groups: groups)
    }
}

extension ExportOptions {
    /// Who a squashed caller is.
    var anonymous: FileIdentity { FileIdentity(uid: anonymousUID, gid: anonymousGID) }

    /// exports(5), "User ID Mapping".
    func squashed(_ identity: FileIdentity) -> FileIdentity {
        switch squash {
        case .none: return identity
        case .all: return anonymous
        case .root:
            return FileIdentity(
                uid: identity.uid == 0 ? anonymousUID : identity.uid,
                gid: identity.gid == 0 ? anonymousGID : identity.gid,
                groups: identity.groups.map { $0 == 0 ? anonymousGID : $0 })
        }
    }
}

extension Peer.Protection {
    /// The same in exports(5)'s terms.
    var level: TransportProtection {
        switch self {
        case .none: .none
        case .tls: .tls
        case .mutual: .mtls
        }
    }
}

extension TransportProtection {
    fileprivate var requirement: String {
        switch self {
        case .none: "nothing (xprtsec=none)"
        case .tls: "TLS (xprtsec=tls)"
        case .mtls: "a client certificate (xprtsec=mtls)"
        }
    }

    fileprivate var possession: String {
        switch self {
        case .none: "no TLS"
        case .tls: "TLS without a client certificate"
        case .mtls: "mutual TLS"
        }
    }
}

extension Peer {
    /// Whether the port is one that Linux leaves to root (IPPORT_RESERVED).
    var hasReservedPort: Bool {
        guard let colon = address.lastIndex(of: ":"), let port = UInt16(address[address.index(after: colon)...]) else {
            return false
        }
        return port < 1024
    }
}
