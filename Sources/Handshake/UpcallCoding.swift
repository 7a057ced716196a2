import CProtocol
import CUpcall
import Glibc
import Kernel
import RPC
import SecureChannel

/// The types of Protocol/tlshandshake.x to and from Swift. C strings made here are malloc(3)ed, for xdr_free(3) to free.
enum UpcallCoding {
    /// A string cut to what its declaration in the .x file allows; a zero byte would end it early, so it becomes a question mark.
    static func string(_ text: String, limit: Int32) -> UnsafeMutablePointer<CChar>? {
        var kept = text.utf8.prefix(Int(limit))
        // A character cut in two would be replaced by one of three bytes, and a string that is too long is not sent at all.
        while String(kept) == nil { kept = kept.dropLast() }
        return strdup(String(decoding: kept.map { $0 == 0 ? UInt8(ascii: "?") : $0 }, as: UTF8.self))
    }

    static func text(_ string: UnsafeMutablePointer<CChar>?) -> String { string.map { String(cString: $0) } ?? "" }

    private static func secret(_ secret: Secret) -> tls_secret {
        secret.withBytes { bytes in
            var copy = tls_secret()
            copy.tls_secret_len = UInt32(bytes.count)
            copy.tls_secret_val = malloc(bytes.count)?.assumingMemoryBound(to: CChar.self)
            if let target = copy.tls_secret_val, let source = bytes.baseAddress { memcpy(target, source, bytes.count) }
            return copy
        }
    }

    private static func secret(_ secret: tls_secret) -> Secret? {
        guard let bytes = secret.tls_secret_val, secret.tls_secret_len > 0 else { return nil }
        return Secret(UnsafeRawBufferPointer(start: bytes, count: Int(secret.tls_secret_len)))
    }

    static func failure(_ failure: HandshakeFailure) -> tls_connect_res {
        var result = tls_connect_res()
        result.status = tls_status(rawValue: failure.kind.rawValue)
        result.tls_connect_res_u.failure.reason = string(failure.reason, limit: TLS_MAXREASON)
        return result
    }

    /// - Parameter secrets: nil where the keys are in the kernel.
    static func session(_ outcome: HandshakeOutcome, layer: Channel.Layer) -> tls_connect_res {
        var session = tls_session()
        session.alpn = string(outcome.applicationProtocol ?? "", limit: TLS_MAXALPN)
        session.cipher_suite = UInt32(outcome.secrets.suite.rawValue)
        session.layer = layer == .kernel ? TLS_LAYER_KERNEL : TLS_LAYER_USER
        if layer == .user {
            session.client_secret = secret(outcome.secrets.client)
            session.server_secret = secret(outcome.secrets.server)
        }
        session.mapped.present = 0
        session.peer.present = 0
        if let peer = outcome.peer {
            session.peer.present = 1
            session.peer.tls_optional_identity_u.identity = identity(peer)
            if let user = peer.user {
                session.mapped.present = 1
                session.mapped.tls_optional_user_u.user = mapped(user)
            }
        }
        var result = tls_connect_res()
        result.status = TLS_SECURED
        result.tls_connect_res_u.session = session
        return result
    }

    private static func identity(_ peer: PeerIdentity) -> tls_identity {
        var identity = tls_identity()
        identity.subject = string(peer.subject, limit: TLS_MAXSUBJECT)
        identity.issuer = string(peer.issuer, limit: TLS_MAXSUBJECT)
        identity.serial = string(peer.serial, limit: TLS_MAXSERIAL)
        identity.fingerprint = string(peer.fingerprint, limit: TLS_MAXFINGERPRINT)
        identity.user_name = string(peer.userName ?? "", limit: TLS_MAXUSERNAME)
        identity.not_after = quad_t(peer.notAfter ?? 0)
        let names = peer.alternativeNames.prefix(Int(TLS_MAXALTNAMES))
        if !names.isEmpty {
            let size = MemoryLayout<tls_altname?>.stride
            let list = calloc(names.count, size)?.assumingMemoryBound(to: tls_altname?.self)
            for (index, name) in names.enumerated() { list?[index] = string(name, limit: TLS_MAXALTNAME) }
            identity.alternative_names.alternative_names_val = list
            identity.alternative_names.alternative_names_len = list == nil ? 0 : UInt32(names.count)
        }
        return identity
    }

    private static func mapped(_ user: MappedUser) -> tls_user {
        var mapped = tls_user()
        mapped.uid = user.uid
        mapped.gid = user.gid
        let list = calloc(max(1, user.groups.count), MemoryLayout<UInt32>.stride)?.assumingMemoryBound(to: UInt32.self)
        for (index, group) in user.groups.enumerated() { list?[index] = group }
        mapped.gids.gids_val = list
        mapped.gids.gids_len = list == nil ? 0 : UInt32(clamping: user.groups.count)
        return mapped
    }

    private static func mapped(_ optional: tls_optional_user) -> MappedUser? {
        guard optional.present != 0 else { return nil }
        let user = optional.tls_optional_user_u.user
        let groups = UnsafeBufferPointer(start: user.gids.gids_val, count: Int(user.gids.gids_len))
        return MappedUser(uid: user.uid, gid: user.gid, groups: Array(groups))
    }

    /// What a daemon answered, checked.
    ///
    /// - Throws: ``HandshakeFailure`` where it says so, or where its answer makes no sense.
    static func decode(_ result: tls_connect_res) throws(HandshakeFailure) -> Secured {
        guard result.status == TLS_SECURED else {
            throw HandshakeFailure(
                HandshakeFailure.Kind(rawValue: result.status.rawValue) ?? .local,
                text(result.tls_connect_res_u.failure.reason))
        }
        let session = result.tls_connect_res_u.session
        guard let number = UInt16(exactly: session.cipher_suite), let suite = CipherSuite(rawValue: number) else {
            throw HandshakeFailure(.local, "the handshake daemon named an unknown cipher suite")
        }
        var secrets: SessionSecrets?
        if session.layer == TLS_LAYER_USER {
            guard let client = secret(session.client_secret), let server = secret(session.server_secret),
                client.count == suite.secretLength, server.count == suite.secretLength
            else { throw HandshakeFailure(.local, "the handshake daemon gave no secrets") }
            secrets = SessionSecrets(suite: suite, client: client, server: server)
        }
        let alpn = text(session.alpn)
        return Secured(
            suite: suite, secrets: secrets,
            peer: session.peer.present != 0 ? identity(session.peer, user: mapped(session.mapped)) : nil,
            applicationProtocol: alpn.isEmpty ? nil : alpn)
    }

    struct Secured {
        let suite: CipherSuite
        /// Nil where the keys are in the kernel.
        let secrets: SessionSecrets?
        let peer: PeerIdentity?
        let applicationProtocol: String?
    }

    private static func identity(_ optional: tls_optional_identity, user: MappedUser?) -> PeerIdentity {
        let identity = optional.tls_optional_identity_u.identity
        let names = UnsafeBufferPointer(
            start: identity.alternative_names.alternative_names_val,
            count: Int(identity.alternative_names.alternative_names_len))
        let userName = text(identity.user_name)
        return PeerIdentity(
            subject: text(identity.subject), issuer: text(identity.issuer), serial: text(identity.serial),
            alternativeNames: names.map { text($0) }, fingerprint: text(identity.fingerprint),
            userName: userName.isEmpty ? nil : userName,
            notAfter: identity.not_after == 0 ? nil : Int(identity.not_after), user: user)
    }
}
