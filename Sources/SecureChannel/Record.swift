/// The shape of a TLS 1.3 record: RFC 8446 section 5.
package enum Record {
    /// ContentType of RFC 8446 appendix B.1.
    package enum ContentType {
        package static let changeCipherSpec: UInt8 = 20
        package static let alert: UInt8 = 21
        package static let handshake: UInt8 = 22
        package static let applicationData: UInt8 = 23
    }

    /// Type, legacy version, length.
    package static let headerLength = 5
    /// Plaintext of one record at most.
    package static let maximumPlaintext = 16384
    /// Bytes after the header at most: plaintext, content type, padding and tag.
    package static let maximumCiphertext = maximumPlaintext + 256
    /// The AEAD's tag: the same in all three suites.
    package static let tagLength = 16
    /// What sealing adds to a record's plaintext, header included.
    package static let overhead = headerLength + 1 + tagLength
}

/// AlertDescription of RFC 8446 appendix B.2.
package struct Alert: Error, Sendable, Equatable, CustomStringConvertible {
    package let code: UInt8

    package init(code: UInt8) { self.code = code }

    package static let closeNotify = Alert(code: 0)
    package static let unexpectedMessage = Alert(code: 10)
    package static let badRecordMAC = Alert(code: 20)
    package static let recordOverflow = Alert(code: 22)
    package static let decodeError = Alert(code: 50)
    package static let internalError = Alert(code: 80)

    /// The name RFC 8446 gives it.
    package var name: String {
        switch code {
        case 0: "close_notify"
        case 10: "unexpected_message"
        case 20: "bad_record_mac"
        case 22: "record_overflow"
        case 40: "handshake_failure"
        case 42: "bad_certificate"
        case 43: "unsupported_certificate"
        case 44: "certificate_revoked"
        case 45: "certificate_expired"
        case 46: "certificate_unknown"
        case 47: "illegal_parameter"
        case 48: "unknown_ca"
        case 49: "access_denied"
        case 50: "decode_error"
        case 51: "decrypt_error"
        case 70: "protocol_version"
        case 71: "insufficient_security"
        case 80: "internal_error"
        case 86: "inappropriate_fallback"
        case 90: "user_canceled"
        case 109: "missing_extension"
        case 110: "unsupported_extension"
        case 112: "unrecognized_name"
        case 113: "bad_certificate_status_response"
        case 115: "unknown_psk_identity"
        case 116: "certificate_required"
        case 120: "no_application_protocol"
        default: "alert \(code)"
        }
    }

    package var description: String { name }
}
