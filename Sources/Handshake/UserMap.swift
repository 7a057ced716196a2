package import Kernel
package import RPC

/// Who a certificate's `user@domain` is on this machine, as FreeBSD's `rpc.tlsservd -u` has it.
///
/// A user of uid 0 is never mapped: what an export denies root it would deny a holder of such a certificate no more, on
/// whatever machine its key lies.
package struct UserMap: Sendable {
    /// The domain whose users are this machine's; compared without regard to case.
    package let domain: String
    private let lookUp: @Sendable (String) -> Result<MappedUser?, SystemError>

    /// Users of the system's own databases.
    package init(domain: String) {
        self.init(domain: domain) { name in
            Result { () throws(SystemError) in try UserDatabase.user(named: name) }
        }
    }

    /// - Parameter lookUp: nil where there is no such user.
    package init(domain: String, lookUp: @escaping @Sendable (String) -> Result<MappedUser?, SystemError>) {
        self.domain = domain
        self.lookUp = lookUp
    }

    /// Why somebody is not mapped.
    package struct Refusal: Error, Sendable, CustomStringConvertible {
        package let description: String
    }

    /// - Parameter name: `user@domain`.
    package func user(of name: String) throws(Refusal) -> MappedUser {
        let parts = name.split(separator: "@", omittingEmptySubsequences: false)
        guard parts.count == 2, !parts[0].isEmpty else { throw Refusal(description: "'\(name)' is not a user@domain") }
        guard parts[1].lowercased() == domain.lowercased() else {
            throw Refusal(description: "'\(name)' is not of the domain '\(domain)'")
        }
        let found: MappedUser?
        do throws(SystemError) {
            found = try lookUp(String(parts[0])).get()
        } catch {
            throw Refusal(description: "'\(name)' cannot be looked up: \(error)")
        }
        guard let found else { throw Refusal(description: "'\(name)': there is no user '\(parts[0])' here") }
        guard found.uid != 0 else {
            throw Refusal(description: "'\(name)': '\(parts[0])' has uid 0, which no certificate gives")
        }
        guard found.groups.count <= UserDatabase.maximumGroups else {
            throw Refusal(description: "'\(name)' is in more groups than a process may be")
        }
        return found
    }
}
