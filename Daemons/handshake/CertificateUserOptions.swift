package import ArgumentParser
import Glibc
package import Handshake

/// Whether tlssd says which of this machine's users a client's certificate stands for: `-u` and `-n` of FreeBSD's
/// rpc.tlsservd.
package struct CertificateUserOptions: ParsableArguments {
    @Flag(
        name: .long,
        help: ArgumentHelp(
            "Look up the user that a client's certificate names by otherName 1.3.6.1.4.1.2238.1.1.1, user@domain.",
            discussion: "The user acts in exports that take users from certificates. uid 0 is never given to anybody."))
    package var certuser = false

    @Option(
        name: .long,
        help: ArgumentHelp(
            "With --certuser: the domain whose users are this machine's; otherwise the one in this machine's name.",
            valueName: "domain"))
    package var domain: String?

    package init() {}

    package mutating func validate() throws {
        guard let domain else { return }
        guard certuser else { throw ValidationError("--domain goes with --certuser") }
        guard !domain.isEmpty, !domain.contains("@") else {
            throw ValidationError("--domain: '\(domain)' is no domain, such as example.net")
        }
    }

    /// - Returns: nil where no users are wanted.
    /// - Throws: where no domain was given, and this machine's name has none.
    package func map() throws -> UserMap? {
        guard certuser else { return nil }
        if let domain { return UserMap(domain: domain) }
        var bytes = [CChar](repeating: 0, count: 256)
        // The last byte stays zero: gethostname(2) ends a name that it cuts with none.
        guard gethostname(&bytes, bytes.count - 1) == 0 else {
            throw ValidationError("--certuser: this machine's name cannot be read; --domain says the domain")
        }
        let name = bytes.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } ?? "" }
        let domain = name.split(separator: ".", maxSplits: 1).dropFirst().first.map(String.init)
        guard let domain else {
            throw ValidationError("--certuser: this machine's name, '\(name)', has no domain; --domain says it")
        }
        return UserMap(domain: domain)
    }
}
