import Certificates
import Handshake
import Kernel

/// The name a server's certificate must carry (RFC 9289 section 5.2.1).
enum ServerName: Equatable {
    case dns(String)
    case address([UInt8], text: String)

    /// - Throws: ``HandshakeFailure`` where it is neither a DNS name nor an address in digits.
    init(_ name: String) throws(HandshakeFailure) {
        // A scope (fe80::1%eth0) says by which interface, not who.
        let unscoped = name.contains(":") ? String(name.prefix { $0 != "%" }) : name
        if let bytes = SocketAddress.numericBytes(unscoped) {
            self = .address(bytes, text: unscoped)
            return
        }
        // The dot that ends an absolute name is in no certificate.
        let relative = name.count > 1 && name.hasSuffix(".") ? String(name.dropLast()) : name
        do throws(CertificateError) {
            try AlternativeName.checkDNSName(relative)
        } catch {
            throw HandshakeFailure(.local, "the server's name: \(error)")
        }
        self = .dns(relative)
    }

    /// As ``CertificateDescription/alternativeNames`` writes it.
    var text: String {
        switch self {
        case .dns(let name): "DNS:\(name)"
        case .address(_, let text): "IP:\(text)"
        }
    }
}
