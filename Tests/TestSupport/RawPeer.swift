import CCrypto
import Glibc
package import Kernel
package import SecureChannel

/// The other end of a connection, made of a socket and libcrypto alone: it sends what a well-behaved peer would not.
///
/// It seals as RFC 8446 section 5.2 has it, by code that shares nothing with the record layers.
package final class RawPeer: @unchecked Sendable {
    // Unchecked: one thread at a time uses it.
    package let socket: SharedDescriptor
    private let suite: CipherSuite
    private var sending: Side
    private var receiving: Side

    private struct Side {
        var secret: Secret
        var sequence: UInt64 = 0
    }

    package init(_ socket: SharedDescriptor, _ secrets: SessionSecrets, _ role: Channel.Role) {
        self.socket = socket
        suite = secrets.suite
        (sending, receiving) =
            role == .client
            ? (Side(secret: secrets.client), Side(secret: secrets.server))
            : (Side(secret: secrets.server), Side(secret: secrets.client))
    }

    /// A sealed record.
    ///
    /// - Parameters:
    ///   - padding: zero bytes behind the content type.
    ///   - outer: the type in its header.
    package func record(_ bytes: [UInt8], type: UInt8 = 23, padding: Int = 0, outer: UInt8 = 23) -> [UInt8] {
        seal(inner: bytes + [type] + [UInt8](repeating: 0, count: padding), outer: outer)
    }

    /// A sealed record of any inner plaintext.
    package func seal(inner: [UInt8], outer: UInt8 = 23) -> [UInt8] {
        let length = inner.count + 16
        let header: [UInt8] = [outer, 3, 3, UInt8(length >> 8), UInt8(length & 0xff)]
        defer { sending.sequence += 1 }
        guard let sealed = crypt(sending, header, inner, tag: nil) else { fatalError("libcrypto does not seal") }
        return header + sealed
    }

    package func send(_ bytes: [UInt8]) throws { try sendAll(bytes, on: socket.raw) }
    package func sendRecord(_ bytes: [UInt8], type: UInt8 = 23, padding: Int = 0) throws {
        try send(record(bytes, type: type, padding: padding))
    }

    /// A KeyUpdate, and the next key for what follows it.
    package func sendKeyUpdate(requested: Bool = false) throws {
        try sendRecord([24, 0, 0, 1, requested ? 1 : 0], type: 22)
        sending = Side(secret: KeySchedule.next(sending.secret, suite: suite))
    }

    /// The next record: its content type and its content; nil at the end of the stream.
    ///
    /// - Throws: ``BadRecord`` where it does not open.
    package func receive(seconds: Double = 20) throws -> (type: UInt8, bytes: [UInt8])? {
        let header = try receiveAll(5, on: socket.raw, seconds: seconds)
        guard header.count == 5 else { return nil }
        let length = Int(header[3]) << 8 | Int(header[4])
        let body = try receiveAll(length, on: socket.raw, seconds: seconds)
        guard body.count == length, length > 16, header[0] == 23,
            var inner = crypt(receiving, header, Array(body.dropLast(16)), tag: Array(body.suffix(16)))
        else { throw BadRecord() }
        receiving.sequence += 1
        while inner.last == 0 { inner.removeLast() }
        guard let type = inner.popLast() else { throw BadRecord() }
        if type == 22 && inner.first == 24 {
            receiving = Side(secret: KeySchedule.next(receiving.secret, suite: suite))
        }
        return (type, inner)
    }

    package struct BadRecord: Error {}

    /// FIN, without close_notify.
    package func cut() { _ = shutdown(socket.raw, Int32(SHUT_WR)) }

    private func crypt(_ side: Side, _ header: [UInt8], _ input: [UInt8], tag: [UInt8]?) -> [UInt8]? {
        let keys = TrafficKeys(side.secret, suite: suite)
        var nonce = keys.iv.withBytes { Array($0) }
        for index in 0..<8 { nonce[11 - index] ^= UInt8(truncatingIfNeeded: side.sequence >> (8 * UInt64(index))) }
        let key = keys.key.withBytes { Array($0) }
        let cipher =
            switch suite {
            case .aes128GCM: EVP_aes_128_gcm()
            case .aes256GCM: EVP_aes_256_gcm()
            case .chacha20Poly1305: EVP_chacha20_poly1305()
            }
        let context = EVP_CIPHER_CTX_new()
        defer { EVP_CIPHER_CTX_free(context) }
        let sealing = tag == nil
        var output = [UInt8](repeating: 0, count: input.count)
        var mac = tag ?? [UInt8](repeating: 0, count: 16)
        var length: Int32 = 0
        guard EVP_CipherInit_ex(context, cipher, nil, key, nonce, sealing ? 1 : 0) == 1,
            EVP_CipherUpdate(context, nil, &length, header, Int32(header.count)) == 1
        else { return nil }
        if !sealing, EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, 16, &mac) != 1 { return nil }
        guard EVP_CipherUpdate(context, &output, &length, input, Int32(input.count)) == 1 else { return nil }
        var last = [UInt8](repeating: 0, count: 16)
        guard EVP_CipherFinal_ex(context, &last, &length) == 1 else { return nil }
        if sealing, EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, 16, &mac) != 1 { return nil }
        return sealing ? output + mac : output
    }
}
