import CProtocol
import Glibc

/// Encoding and decoding of call headers, RFC 5531 section 9, by libtirpc.
enum CallHeader {
    /// The largest header: six words, a credential and a verifier of 400 bytes with their own two words each.
    static let limit = 4 * 6 + 2 * (8 + 400)

    /// The bytes of a call's credential.
    static func body(of credential: Credential) -> (flavor: UInt32, bytes: [UInt8]) {
        switch credential {
        case .none: return (0, [])
        case .tls: return (7, [])
        case .unsupported(let flavor): return (flavor, [])
        case .system(let uid, let gid, let groups):
            var parameters = tlsd_auth_sys()
            parameters.uid = uid
            parameters.gid = gid
            let kept = groups.prefix(Int(TLSD_MAX_GROUPS))
            parameters.count = UInt32(kept.count)
            withUnsafeMutableBytes(of: &parameters.groups) { target in
                for (index, group) in kept.enumerated() {
                    target.storeBytes(of: group, toByteOffset: 4 * index, as: UInt32.self)
                }
            }
            var host = utsname()
            if uname(&host) == 0 {
                withUnsafeBytes(of: host.nodename) { name in
                    withUnsafeMutableBytes(of: &parameters.machine) { target in
                        // The target is longer than any node name and was zero, so the string ends.
                        target.copyMemory(from: UnsafeRawBufferPointer(rebasing: name.prefix(64)))
                    }
                }
            }
            let bytes = [UInt8](unsafeUninitializedCapacity: 400) { space, count in
                count = max(0, tlsd_encode_auth_sys(space.baseAddress, space.count, &parameters))
            }
            return (1, bytes)
        }
    }

    /// A whole call in one fragment, without what follows its arguments.
    ///
    /// - Parameter following: bytes of payload and padding that come behind `arguments`.
    static func encode(
        transaction: UInt32, program: UInt32, version: UInt32, procedure: UInt32,
        credential: (flavor: UInt32, bytes: [UInt8]),
        arguments: [UInt8], following: Int
    ) -> [UInt8] {
        let room = RecordMark.length + limit + arguments.count
        var message = [UInt8](unsafeUninitializedCapacity: room) { space, count in
            let length = tlsd_encode_call(
                space.baseAddress.map { $0 + RecordMark.length }, room - RecordMark.length, transaction, program,
                version,
                procedure, credential.flavor, credential.bytes, credential.bytes.count)
            precondition(length > 0, "a call header fits in the largest one")
            count = RecordMark.length + length
        }
        message += arguments
        message.storeWord(RecordMark.whole(message.count - RecordMark.length + following), at: 0)
        return message
    }

    enum Decoded {
        case header(tlsd_call, length: Int)
        case needsMore
        case rpcMismatch(transaction: UInt32)
        case malformed
    }

    static func decode(_ bytes: UnsafeRawBufferPointer) -> Decoded {
        var call = tlsd_call()
        let length = tlsd_decode_call(bytes.baseAddress, bytes.count, &call)
        if length > 0 { return .header(call, length: length) }
        switch length {
        case Int(TLSD_RPC_TRUNCATED): return .needsMore
        case Int(TLSD_RPC_VERSION): return .rpcMismatch(transaction: call.xid)
        default: return .malformed
        }
    }

    /// The credential of a decoded header; nil where its body breaks its flavor's rules (AUTH_BADCRED).
    static func credential(_ auth: tlsd_auth) -> Credential? {
        switch auth.flavor {
        case 0: return auth.length == 0 ? Credential.none : nil
        case 7: return auth.length == 0 ? .tls : nil
        case 1:
            var parameters = tlsd_auth_sys()
            guard tlsd_decode_auth_sys(auth.body, Int(auth.length), &parameters) == 0 else { return nil }
            let groups = withUnsafeBytes(of: parameters.groups) {
                Array($0.bindMemory(to: UInt32.self).prefix(Int(parameters.count)))
            }
            return .system(uid: parameters.uid, gid: parameters.gid, groups: groups)
        default: return .unsupported(flavor: auth.flavor)
        }
    }
}
