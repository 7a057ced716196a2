/// A user in a certificate, `user@domain`: otherName 1.3.6.1.4.1.2238.1.1.1 as FreeBSD's rpc.tlsservd takes it.
package struct UserName: Sendable, Equatable, CustomStringConvertible {
    package let user: String
    package let domain: String
    package var description: String { user + "@" + domain }

    /// - Throws: ``CertificateError`` that names the text and what is wrong with it.
    package init(_ text: String) throws(CertificateError) {
        let parts = text.split(separator: "@", omittingEmptySubsequences: false)
        guard parts.count == 2, Self.isUser(parts[0]) else {
            throw CertificateError(
                .invalidName,
                "'\(printable(text))': not a user@domain, the user of 1 to 64 letters, digits, '-', '_', '.'")
        }
        user = String(parts[0])
        domain = String(parts[1])
        do throws(CertificateError) {
            try AlternativeName.checkDNSName(domain)
        } catch {
            throw CertificateError(error.kind, "'\(printable(text))': not a user@domain: \(error.reason)")
        }
    }

    private static func isUser(_ text: Substring) -> Bool {
        let characters = text.utf8.allSatisfy { AlternativeName.isLetterOrDigit($0) || "-_.".utf8.contains($0) }
        return (1...64).contains(text.utf8.count) && characters
    }

    /// What a certificate says of its user.
    package enum Claim: Sendable, Equatable {
        case nobody
        case one(UserName)
        /// More than one, or one that is malformed: why it is as good as none.
        case unusable(String)
    }
}
