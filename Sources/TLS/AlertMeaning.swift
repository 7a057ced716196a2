import Certificates
import SecureChannel

extension Alert {
    /// What the peer means by it; nil where the name says as much.
    var meaning: String? {
        switch code {
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
