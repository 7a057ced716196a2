import Kernel

/// Which clients a rule is for. No name is ever asked of the DNS: a name is one that the client's certificate has.
package enum ClientPattern: Hashable, Sendable {
    /// `*`
    case everybody
    /// `192.0.2.0/24`, `2001:db8::/32`, or an address alone. The address has 4 or 16 bytes, and those bits of it that are
    /// beyond the prefix are zero. An IPv4 address in IPv6's clothes (`::ffff:192.0.2.1`) is an IPv4 address here.
    case network([UInt8], prefix: Int)
    /// `build.example.org`, in lower case: a dNSName of the certificate. With `*.` in front, any name of one label more.
    case host(String)
    /// `alice@example.org`: the user that the certificate names, by its otherName 1.3.6.1.4.1.2238.1.1.1. The domain is in
    /// lower case.
    case user(String)
}

extension ClientPattern {
    /// Of the word that stands in front of the options.
    init(parsing text: String) throws(WrongWord) {
        if text == "*" {
            self = .everybody
        } else if text.hasPrefix("@") {
            throw WrongWord(text, "netgroups are not asked here: name networks, hosts or users")
        } else if text.contains("@") {
            self = .user(try Self.user(text))
        } else if let slash = text.firstIndex(of: "/") {
            self = try Self.network(text, String(text[..<slash]), length: String(text[text.index(after: slash)...]))
        } else if let address = SocketAddress.numericBytes(text) {
            self = Self.network(address, prefix: address.count * 8).canonical
        } else {
            self = .host(try Self.host(text))
        }
    }

    private static func user(_ text: String) throws(WrongWord) -> String {
        let parts = text.split(separator: "@", omittingEmptySubsequences: false)
        guard parts.count == 2, parts.allSatisfy({ !$0.isEmpty }) else {
            throw WrongWord(text, "a user is written user@domain")
        }
        // MNTNAMLEN, RFC 1813 section 5.1.2: EXPORT lists it.
        guard text.utf8.count <= 255 else { throw WrongWord(text, "a user has at most 255 bytes") }
        return canonical(user: text)
    }

    /// A domain is the same in capitals; a user is not.
    static func canonical(user: String) -> String {
        guard let at = user.lastIndex(of: "@") else { return user }
        return user[..<at] + user[at...].lowercased()
    }

    /// - Parameter length: bits, or a netmask.
    private static func network(_ text: String, _ address: String, length: String) throws(WrongWord) -> Self {
        guard let bytes = SocketAddress.numericBytes(address) else {
            throw WrongWord(text, "a network begins with an IPv4 or IPv6 address")
        }
        let bits = bytes.count * 8
        if let mask = SocketAddress.numericBytes(length) {
            guard mask.count == bytes.count, let prefix = prefix(ofMask: mask) else {
                throw WrongWord(text, "the netmask is no prefix of the address")
            }
            return Self.network(bytes, prefix: prefix).canonical
        }
        guard !length.isEmpty, length.utf8.allSatisfy(isDigit), let prefix = Int(length),
            prefix <= bits
        else { throw WrongWord(text, "the prefix has 0 to \(bits) bits") }
        return Self.network(bytes, prefix: prefix).canonical
    }

    /// How many bits are set, where no bit behind them is.
    private static func prefix(ofMask mask: [UInt8]) -> Int? {
        let prefix = mask.reduce(0) { $0 + $1.nonzeroBitCount }
        return mask == masked([UInt8](repeating: 0xff, count: mask.count), prefix: prefix) ? prefix : nil
    }

    /// The first `prefix` bits of an address, and zeroes.
    static func masked(_ address: [UInt8], prefix: Int) -> [UInt8] {
        address.enumerated().map { index, byte in
            let bits = max(0, min(8, prefix - index * 8))
            return bits == 0 ? 0 : byte & (0xff << (8 - bits))
        }
    }

    /// IPv4 addresses as IPv4, and no bits beyond the prefix.
    private var canonical: Self {
        guard case .network(let address, let prefix) = self else { return self }
        let plain = Self.unmapped(address)
        let shorter = prefix - (address.count - plain.count) * 8
        return shorter < 0
            ? .network(Self.masked(address, prefix: prefix), prefix: prefix)
            : .network(Self.masked(plain, prefix: shorter), prefix: shorter)
    }

    /// RFC 4291 section 2.5.5.2: the IPv4 address in `::ffff:0:0/96`.
    static func unmapped(_ address: [UInt8]) -> [UInt8] {
        let mapped: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]
        return address.count == 16 && address.starts(with: mapped) ? Array(address.suffix(4)) : address
    }

    private static func host(_ text: String) throws(WrongWord) -> String {
        let labels = (text.hasPrefix("*.") ? text.dropFirst(2) : text[...])
            .split(separator: ".", omittingEmptySubsequences: false)
        if labels.contains(where: { $0.contains { "*?[]".contains($0) } }) {
            throw WrongWord(text, "of wildcards there are * for everybody, and *. in front of a domain")
        }
        if text.contains(":")
            || !text.hasPrefix("*") && text.utf8.allSatisfy({ $0 == UInt8(ascii: ".") || isDigit($0) })
        {
            throw WrongWord(text, "it is no address")
        }
        let isName = labels.allSatisfy { label in
            (1...63).contains(label.utf8.count) && !label.hasPrefix("-") && !label.hasSuffix("-")
                && label.utf8.allSatisfy {
                    $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_") || isDigit($0)
                        || (0x61...0x7a).contains($0 | 0x20)
                }
        }
        guard isName, text.utf8.count <= 253 else { throw WrongWord(text, "it is no host name") }
        return text.lowercased()
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
}

extension ClientPattern: CustomStringConvertible {
    /// As an exports file writes it.
    package var description: String {
        switch self {
        case .everybody: "*"
        case .network(let address, let prefix):
            SocketAddress.numericText(address).map { prefix == address.count * 8 ? $0 : "\($0)/\(prefix)" } ?? "?"
        case .host(let name), .user(let name): name
        }
    }
}
