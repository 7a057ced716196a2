import Glibc
import NFS
import RPC

extension MountOptions {
    /// What an RPC answer other than SUCCESS means to somebody with these options, and what they may do.
    func explain(_ refusal: RPCError.Refusal) -> String {
        switch refusal {
        case .authentication(5):
            switch protection {
            case .cleartext: "the server wants TLS (AUTH_TOOWEAK): -o xprtsec=mtls, or tls without a certificate"
            case .tls: "the server wants TLS with a certificate of the client's (AUTH_TOOWEAK): -o xprtsec=mtls"
            case .mtls: "the server does not let this certificate do this, or wants Kerberos (AUTH_TOOWEAK)"
            }
        case .authentication(let status):
            """
            the server does not take the credential AUTH_SYS of user \(geteuid()) from this address \
            (\(Self.names[status] ?? "auth_stat \(status)")): it may export nothing to it
            """
        case .programUnavailable(let number): "the server answers no \(Self.name(ofProgram: number)) there"
        case .programMismatch(let number, let low, let high):
            "the server has \(Self.name(ofProgram: number)) in versions \(low) to \(high), and version 3 is wanted"
        default: "\(refusal)"
        }
    }

    /// auth_stat, RFC 5531 section 9.
    private static let names: [UInt32: String] = [
        1: "AUTH_BADCRED", 2: "AUTH_REJECTEDCRED", 3: "AUTH_BADVERF", 4: "AUTH_REJECTEDVERF", 6: "AUTH_INVALIDRESP",
        7: "AUTH_FAILED",
    ]

    private static func name(ofProgram number: UInt32) -> String {
        switch number {
        case NFS.program: "NFS"
        case Mount.program: "MOUNT"
        case Portmapper.program: "rpcbind"
        case Xfer.program: "XFER"
        default: "program \(number)"
        }
    }
}
