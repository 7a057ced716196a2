import Kernel

/// Some clients of an export, and what they may do: `client(options)` of exports(5).
package struct ExportRule: Hashable, Sendable {
    package var client: ClientPattern
    package var options: ExportOptions

    package init(client: ClientPattern, options: ExportOptions) {
        self.client = client
        self.options = options
    }
}

/// Which clients a rule is for. No name is ever asked of the DNS: a name is one that the client's certificate has.
package enum ClientPattern: Hashable, Sendable {
    /// `*`
    case everybody
    /// `192.0.2.0/24`, `2001:db8::/32`, or an address alone. The address has 4 or 16 bytes, and those bits of it that are
    /// beyond the prefix are zero.
    case network([UInt8], prefix: Int)
    /// `build.example.org`, in lower case: a dNSName of the certificate. With `*.` in front, any name of one label more.
    case host(String)
    /// `alice@example.org`: the user that the certificate names, by its otherName 1.3.6.1.4.1.2238.1.1.1.
    case user(String)
}
