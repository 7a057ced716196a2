import CProtocol

/// What is looked at in a call's credential and verifier before its program is: RFC 5531 section 9 (auth_stat), its
/// section 10 and appendix A for the flavors, RFC 9289 section 4.1 for AUTH_TLS.
enum CallAuthentication {
    case accepted(Credential)
    case denied(AuthStatus)

    /// - Parameter isSecured: whether the call came inside TLS.
    init(_ header: tlsd_call, isSecured: Bool) {
        guard let credential = CallHeader.credential(header.cred) else {
            self = .denied(.badCredential)
            return
        }
        switch credential {
        case .none, .system: break
        case .tls:
            guard header.proc == 0 && !isSecured else {
                self = .denied(.badCredential)
                return
            }
        case .unsupported(let flavor):
            // A shorthand stands for credentials that this server was to remember. It gives none out, and who has one from
            // somewhere is told as RFC 5531 appendix A has it for one that was forgotten: to send the whole thing again.
            self = .denied(flavor == Self.short ? .rejectedCredential : .badCredential)
            return
        }
        guard header.verf.flavor == 0 && header.verf.length == 0 else {
            self = .denied(.badVerifier)
            return
        }
        self = .accepted(credential)
    }

    /// AUTH_SHORT
    private static let short: UInt32 = 2
}
