import Kernel

/// A subject alternative name that the authority puts into a certificate (RFC 5280 section 4.2.1.6).
package enum AlternativeName: Sendable, Equatable {
    /// dNSName: checked by ``checkDNSName(_:)``.
    case dns(String)
    /// iPAddress: 4 or 16 bytes.
    case address([UInt8])
    /// otherName 1.3.6.1.4.1.2238.1.1.1, `user@domain`: the account FreeBSD's rpc.tlsservd maps the certificate to.
    case user(String)

    /// The object identifier of ``user(_:)``.
    package static let userIdentifier = "1.3.6.1.4.1.2238.1.1.1"

    /// An address in digits, `user@domain`, or otherwise a DNS name.
    ///
    /// - Throws: ``CertificateError`` that names the text and what is wrong with it.
    package init(_ text: String) throws(CertificateError) {
        if let bytes = SocketAddress.numericBytes(text) {
            self = .address(bytes)
        } else if text.utf8.contains(UInt8(ascii: "@")) {
            self = .user("\(try UserName(text))")
        } else {
            try Self.checkDNSName(text)
            self = .dns(text)
        }
    }

    /// Checks that a name is one of the DNS and stands for one host: RFC 9289 section 5.2.1 has no wildcards.
    package static func checkDNSName(_ name: String) throws(CertificateError) {
        func refuse(_ reason: String) -> CertificateError {
            CertificateError(.invalidName, "'\(printable(name))': \(reason)")
        }
        if name.isEmpty { throw CertificateError(.invalidName, "an empty name") }
        if name.utf8.contains(UInt8(ascii: "*")) { throw refuse("a wildcard, which RPC-with-TLS does not have") }
        if name.utf8.count > 253 { throw refuse("longer than the 253 bytes a DNS name may have") }
        let labels = name.split(separator: ".", omittingEmptySubsequences: false)
        for label in labels {
            guard (1...63).contains(label.utf8.count) else {
                throw refuse("not a DNS name: between dots stand 1 to 63 characters")
            }
            guard label.utf8.allSatisfy({ isLetterOrDigit($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_") })
            else {
                throw refuse(
                    "not a DNS name: it has other characters than letters, digits, '-', '_' and '.' (names in other"
                        + " scripts are written in their xn-- form)")
            }
            if label.hasPrefix("-") || label.hasSuffix("-") { throw refuse("not a DNS name: '-' at the end of a part") }
        }
        // No top level domain is a number; this is an address with a slip in it.
        if let last = labels.last, last.utf8.allSatisfy({ (0x30...0x39).contains($0) }) {
            throw refuse("neither a valid IP address nor a DNS name")
        }
    }

    static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte)
    }
}

/// Text with everything but printable ASCII as `\xNN`: what a certificate or a command line says goes to logs and
/// terminals.
package func printable(_ text: String) -> String { printable(Array(text.utf8)) }

package func printable(_ bytes: some Sequence<UInt8>) -> String {
    var result = ""
    for byte in bytes {
        if (0x20...0x7e).contains(byte) && byte != UInt8(ascii: "\\") {
            result.unicodeScalars.append(Unicode.Scalar(byte))
        } else {
            result += "\\x" + hexadecimal([byte])
        }
    }
    return result
}

/// Two lower case digits for each byte.
package func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
    var result = ""
    for byte in bytes { result += (byte < 16 ? "0" : "") + String(byte, radix: 16) }
    return result
}
