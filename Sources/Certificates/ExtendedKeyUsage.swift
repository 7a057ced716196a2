/// Extended key usages as dotted object identifiers (RFC 5280 section 4.2.1.12, RFC 9289 section 5.2.1).
package enum ExtendedKeyUsage {
    package static let serverAuth = "1.3.6.1.5.5.7.3.1"
    package static let clientAuth = "1.3.6.1.5.5.7.3.2"
    package static let rpcTLSClient = "1.3.6.1.5.5.7.3.33"
    package static let rpcTLSServer = "1.3.6.1.5.5.7.3.34"
    package static let any = "2.5.29.37.0"

    /// The usage's name where it has one here, otherwise its number.
    package static func name(_ identifier: String) -> String {
        switch identifier {
        case serverAuth: "serverAuth"
        case clientAuth: "clientAuth"
        case rpcTLSClient: "rpcTLSClient"
        case rpcTLSServer: "rpcTLSServer"
        case any: "anyExtendedKeyUsage"
        default: identifier
        }
    }
}
