import Kernel
package import RPC

extension Export {
    /// The options of the client that `peer` is, nil where it is none of them. Where several rules are for it, the most
    /// specific one holds, wherever it stands: the certificate's user, then a host name of the certificate, then a
    /// wildcard, then the network with the longest prefix, then `*`.
    ///
    /// Whether the peer's connection is as protected as the options ask is not looked at.
    package func options(for peer: Peer) -> ExportOptions? {
        // Asked with every call, and mostly this is all there is.
        if rules.count == 1, let only = rules.first, only.client == .everybody { return only.options }
        let peer = KnownPeer(peer)
        var best: (rank: Int, options: ExportOptions)?
        for rule in rules {
            // Of two host names that one certificate has, the first in the file.
            if let rank = rule.client.rank(peer), rank > best?.rank ?? -1 { best = (rank, rule.options) }
        }
        return best?.options
    }

    /// Whether MOUNT may be answered to a peer in cleartext: a rule that is for its address says `cleartext_mount` or
    /// takes cleartext anyway. A rule for the names of a certificate is for any address, as no certificate is seen yet.
    package func allowsCleartextMount(from peer: Peer) -> Bool {
        let peer = KnownPeer(peer)
        return rules.contains { rule in
            guard rule.options.cleartextMount || rule.options.protection == .none else { return false }
            return switch rule.client {
            case .host, .user: true
            case .everybody, .network: rule.client.rank(peer) != nil
            }
        }
    }

    /// The clients, as MOUNT's EXPORT lists them (RFC 1813 section 5.2.5).
    package var groups: [String] { rules.map(\.client.description) }
}

/// A peer as rules see it.
private struct KnownPeer {
    let address: [UInt8]?
    let hosts: [String]
    let user: String?

    init(_ peer: Peer) {
        address = Self.bytes(peer.address)
        if case .mutual(let certificate) = peer.protection {
            hosts = certificate.hosts
            user = certificate.userName.map { ClientPattern.canonical(user: $0) }
        } else {
            hosts = []
            user = nil
        }
    }

    /// Of `192.0.2.1:700` or `[2001:db8::1%eth0]:700`.
    private static func bytes(_ address: String) -> [UInt8]? {
        guard let colon = address.lastIndex(of: ":") else { return nil }
        var host = address[..<colon]
        if host.hasPrefix("[") && host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        return SocketAddress.numericBytes(String(host.prefix { $0 != "%" })).map(ClientPattern.unmapped)
    }
}

extension ClientPattern {
    /// How specific the pattern is for a peer, more is more; nil where it is not for it.
    fileprivate func rank(_ peer: KnownPeer) -> Int? {
        switch self {
        case .everybody: 0
        case .network(let network, let prefix):
            if let address = peer.address, address.count == network.count,
                Self.masked(address, prefix: prefix) == network
            {
                1 + prefix
            } else {
                nil
            }
        case .host(let name):
            name.hasPrefix("*.")
                ? peer.hosts.contains { Self.isOneLabelMore($0, than: name.dropFirst()) } ? 200 : nil
                : peer.hosts.contains(name) ? 300 : nil
        case .user(let name): peer.user == name ? 400 : nil
        }
    }

    /// - Parameter suffix: with its dot.
    private static func isOneLabelMore(_ host: String, than suffix: Substring) -> Bool {
        guard host.hasSuffix(suffix) else { return false }
        let label = host.dropLast(suffix.count)
        return !label.isEmpty && !label.contains(".") && !label.contains("*")
    }
}
