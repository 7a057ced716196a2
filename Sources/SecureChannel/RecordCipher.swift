import CCrypto
import CWideGCM
import Glibc

/// The AEAD of one direction under one key, counting its records: RFC 8446 section 5.2 and 5.3.
///
/// Used by one thread at a time.
package final class RecordCipher {
    package let suite: CipherSuite
    private let context: OpaquePointer
    private let keys: TrafficKeys
    /// The first 4 bytes of the iv as they lie, and the other 8 as a number.
    private let iv: (UInt32, UInt64)
    private let recordsBeforeWide: UInt64
    /// Where it is set it does what `context` did before.
    private var wide: OpaquePointer?
    /// Records sealed or opened under this key: the next record's sequence number.
    package private(set) var sequence: UInt64 = 0

    /// - Parameters:
    ///   - sealing: true to encrypt, false to decrypt.
    ///   - recordsBeforeWide: records after which AES-GCM goes on with `CWideGCM`, where the machine has what that takes.
    package init(_ keys: TrafficKeys, sealing: Bool, recordsBeforeWide: UInt64 = 64) {
        suite = keys.suite
        self.keys = keys
        self.recordsBeforeWide = recordsBeforeWide
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
        iv = keys.iv.withBytes {
            (
                $0.loadUnaligned(as: UInt32.self),
                UInt64(bigEndian: $0.loadUnaligned(fromByteOffset: 4, as: UInt64.self))
            )
        }
    }

    /// Whether the wide instructions are in use.
    package var isWide: Bool { wide != nil }

    deinit {
        EVP_CIPHER_CTX_free(context)
        wide_gcm_key_destroy(wide)
    }

    /// Goes on with the machine's wider instructions, where it has them. Loading their library takes milliseconds, so it
    /// is left until a connection has shown that it moves more than a few small files.
    private func widen() {
        switch suite {
        case .aes128GCM, .aes256GCM: wide = keys.key.withBytes { wide_gcm_key_create($0.baseAddress, $0.count) }
        case .chacha20Poly1305: break
        }
    }

    /// The next record's nonce in 12 bytes, the last 8 of them mixed with the sequence number.
    private func nextNonce() -> (UInt64, UInt32) {
        if sequence == recordsBeforeWide { widen() }
        let mixed = (iv.1 ^ sequence).bigEndian
        sequence &+= 1
        var nonce = (UInt64(0), UInt32(0))
        withUnsafeMutableBytes(of: &nonce) { bytes in
            bytes.storeBytes(of: iv.0, as: UInt32.self)
            bytes.storeBytes(of: mixed, toByteOffset: 4, as: UInt64.self)
        }
        return nonce
    }

    /// Sets the record's nonce in libcrypto and feeds the record's header as additional data.
    private func begin(_ header: UnsafeRawPointer, _ nonce: UnsafeRawPointer, sealing: Int32) -> Bool {
        var length: Int32 = 0
        return EVP_CipherInit_ex(context, nil, nil, nil, nonce.assumingMemoryBound(to: UInt8.self), sealing) == 1
            && EVP_CipherUpdate(
                context, nil, &length, header.assumingMemoryBound(to: UInt8.self), Int32(Record.headerLength)) == 1
    }

    /// Seals a record in place.
    ///
    /// - Parameters:
    ///   - record: at its start room for the header, then the plaintext, then room for type and tag.
    ///   - plaintext: bytes of it, 0...16384.
    /// - Returns: bytes of the whole record.
    package func seal(_ record: UnsafeMutableRawPointer, plaintext: Int, type: UInt8) -> Int {
        let inner = plaintext + 1
        let length = inner + Record.tagLength
        record.storeBytes(of: Record.ContentType.applicationData, as: UInt8.self)
        record.storeBytes(of: UInt16(0x0303).bigEndian, toByteOffset: 1, as: UInt16.self)
        record.storeBytes(of: UInt16(truncatingIfNeeded: length).bigEndian, toByteOffset: 3, as: UInt16.self)
        let body = (record + Record.headerLength).assumingMemoryBound(to: UInt8.self)
        body[plaintext] = type
        var nonce = nextNonce()
        if let wide {
            wide_gcm_seal(wide, &nonce, record, Record.headerLength, body, inner, body + inner)
            return Record.headerLength + length
        }
        var written: Int32 = 0
        var last: Int32 = 0
        let sealed =
            begin(record, &nonce, sealing: 1)
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
    package func open(_ record: UnsafeMutableRawPointer, length: Int) -> Bool {
        let inner = length - Record.tagLength
        let body = (record + Record.headerLength).assumingMemoryBound(to: UInt8.self)
        var nonce = nextNonce()
        if let wide {
            return wide_gcm_open(wide, &nonce, record, Record.headerLength, body, inner, body + inner)
        }
        var written: Int32 = 0
        var last: Int32 = 0
        return begin(record, &nonce, sealing: 0)
            && EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, Int32(Record.tagLength), body + inner) == 1
            && EVP_CipherUpdate(context, body, &written, body, Int32(inner)) == 1
            && EVP_CipherFinal_ex(context, body + inner, &last) == 1
    }
}
