import CCrypto
import Glibc

/// The AEAD of one direction under one key, counting its records: RFC 8446 section 5.2 and 5.3.
///
/// Used by one thread at a time.
final class RecordCipher {
    let suite: CipherSuite
    private let context: OpaquePointer
    private let iv: (UInt64, UInt32, UInt64)
    /// Records sealed or opened under this key: the next record's sequence number.
    private(set) var sequence: UInt64 = 0

    /// - Parameter sealing: true to encrypt, false to decrypt.
    init(_ keys: TrafficKeys, sealing: Bool) {
        suite = keys.suite
        guard let context = EVP_CIPHER_CTX_new() else { fatalError("no memory for a cipher context") }
        self.context = context
        let cipher =
            switch suite {
            case .aes128GCM: EVP_aes_128_gcm()
            case .aes256GCM: EVP_aes_256_gcm()
            case .chacha20Poly1305: EVP_chacha20_poly1305()
            }
        let set = keys.key.withBytes {
            EVP_CipherInit_ex(
                context, cipher, nil, $0.bindMemory(to: UInt8.self).baseAddress, nil, sealing ? 1 : 0)
        }
        precondition(set == 1, "a cipher libcrypto always has")
        // The first 4 bytes of the iv are used as they are, the other 8 are mixed with the sequence number.
        iv = keys.iv.withBytes {
            (
                0, $0.loadUnaligned(as: UInt32.self),
                UInt64(bigEndian: $0.loadUnaligned(fromByteOffset: 4, as: UInt64.self))
            )
        }
    }

    deinit { EVP_CIPHER_CTX_free(context) }

    /// Sets the nonce for the next record and feeds the record's header as additional data.
    @inline(__always)
    private func begin(_ header: UnsafeRawPointer, sealing: Int32) -> Bool {
        var nonce = (iv.1, UInt32(0), UInt32(0))
        let mixed = (iv.2 ^ sequence).bigEndian
        sequence &+= 1
        return withUnsafeMutableBytes(of: &nonce) { bytes in
            bytes.storeBytes(of: mixed, toByteOffset: 4, as: UInt64.self)
            var length: Int32 = 0
            return EVP_CipherInit_ex(context, nil, nil, nil, bytes.bindMemory(to: UInt8.self).baseAddress, sealing) == 1
                && EVP_CipherUpdate(
                    context, nil, &length, header.assumingMemoryBound(to: UInt8.self), Int32(Record.headerLength)) == 1
        }
    }

    /// Seals a record in place.
    ///
    /// - Parameters:
    ///   - record: at its start room for the header, then the plaintext, then room for type and tag.
    ///   - plaintext: bytes of it, 0...16384.
    /// - Returns: bytes of the whole record.
    func seal(_ record: UnsafeMutableRawPointer, plaintext: Int, type: UInt8) -> Int {
        let inner = plaintext + 1
        let length = inner + Record.tagLength
        record.storeBytes(of: Record.ContentType.applicationData, as: UInt8.self)
        record.storeBytes(of: UInt16(0x0303).bigEndian, toByteOffset: 1, as: UInt16.self)
        record.storeBytes(of: UInt16(truncatingIfNeeded: length).bigEndian, toByteOffset: 3, as: UInt16.self)
        let body = (record + Record.headerLength).assumingMemoryBound(to: UInt8.self)
        body[plaintext] = type
        var written: Int32 = 0
        var last: Int32 = 0
        let sealed =
            begin(record, sealing: 1)
            && EVP_CipherUpdate(context, body, &written, body, Int32(inner)) == 1
            && EVP_CipherFinal_ex(context, body + inner, &last) == 1
            && EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, Int32(Record.tagLength), body + inner) == 1
        // A cipher with its key set fails only where libcrypto itself is broken, and then nothing may leave this process.
        precondition(sealed, "sealing a record failed in libcrypto")
        return Record.headerLength + length
    }

    /// Opens a record in place.
    ///
    /// - Parameters:
    ///   - record: the whole record, header first.
    ///   - length: bytes after the header, at least 17.
    /// - Returns: false where the tag does not fit: the bytes are worthless then.
    func open(_ record: UnsafeMutableRawPointer, length: Int) -> Bool {
        let inner = length - Record.tagLength
        let body = (record + Record.headerLength).assumingMemoryBound(to: UInt8.self)
        var written: Int32 = 0
        var last: Int32 = 0
        return begin(record, sealing: 0)
            && EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, Int32(Record.tagLength), body + inner) == 1
            && EVP_CipherUpdate(context, body, &written, body, Int32(inner)) == 1
            && EVP_CipherFinal_ex(context, body + inner, &last) == 1
    }
}
