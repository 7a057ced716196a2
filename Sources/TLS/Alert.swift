import Certificates

/// The alerts of TLS (RFC 8446 section 6), as a person is told of them.
enum Alert {
    static func name(_ number: UInt8) -> String {
        switch number {
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
        default: "number \(number)"
        }
    }

    /// What the peer means by it; nil where the name says as much.
    static func meaning(_ number: UInt8) -> String? {
        switch number {
        case 40: "it found nothing it could agree to"
        case 42: "our certificate is not one it takes, by its name or its contents"
        case 43: "our certificate is not for this use"
        case 44: "our certificate was revoked"
        case 45: "our certificate has expired, or is not valid yet by its clock"
        case 46: "it could not verify our certificate"
        case 48: "it does not trust the issuer of our certificate"
        case 49: "our certificate is valid and may not do this"
        case 70: "it speaks no TLS 1.3"
        case 112: "it has no certificate for the name it was called by"
        case 116: "it wants a certificate and we showed none"
        case 120: "it does not speak \(sunrpc) as application protocol (ALPN)"
        default: nil
        }
    }
}

/// A name from the wire, short enough for a line of a log.
func printableName(_ bytes: some Sequence<UInt8>) -> String { printable(bytes.prefix(40)) }
