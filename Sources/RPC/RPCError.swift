package import Kernel
package import SecureChannel

/// Why a connection's messages cannot go on.
package enum RPCError: Error, Sendable, CustomStringConvertible {
    /// The connection below failed.
    case channel(ChannelError)
    /// A message is longer than it may be.
    case oversized(Int, limit: Int)
    /// The bytes are no RPC message.
    case malformed(String)
    /// The peer ended the connection while calls waited for their replies.
    case closedByPeer
    /// The connection takes no further calls; this one was not sent. Another connection will do.
    case left
    /// The payload of a reply could not be written to its file here.
    case file(SystemError)
    /// Nothing came for so many seconds while calls waited.
    case timedOut(seconds: Double)
    /// The server took the call and did not do it.
    case refused(Refusal)

    /// The answers of RFC 5531 section 9 that are not SUCCESS.
    package enum Refusal: Sendable, Equatable, CustomStringConvertible {
        case programUnavailable(UInt32)
        case programMismatch(UInt32, low: UInt32, high: UInt32)
        case procedureUnavailable(UInt32)
        case garbageArguments
        case systemError
        case rpcMismatch(low: UInt32, high: UInt32)
        case authentication(UInt32)

        package var description: String {
            switch self {
            case .programUnavailable(let program): "the server has no program \(program)"
            case .programMismatch(let program, let low, let high):
                "the server has other versions of program \(program): \(low) to \(high)"
            case .procedureUnavailable(let number): "the server has no procedure \(number)"
            case .garbageArguments: "the server could not read the call's arguments"
            case .systemError: "the server failed (SYSTEM_ERR)"
            case .rpcMismatch(let low, let high): "the server speaks RPC versions \(low) to \(high)"
            case .authentication(5): "the server wants stronger protection than this connection has (AUTH_TOOWEAK)"
            case .authentication(1): "the server does not take this credential (AUTH_BADCRED)"
            case .authentication(2): "the server wants another credential (AUTH_REJECTEDCRED)"
            case .authentication(3): "the server does not take the call's verifier (AUTH_BADVERF)"
            case .authentication(4): "the server wants another verifier (AUTH_REJECTEDVERF)"
            case .authentication(let status): "the server refused the credential (auth_stat \(status))"
            }
        }
    }

    package var description: String {
        switch self {
        case .channel(let error): "\(error)"
        case .oversized(let count, let limit): "a message of \(count) bytes, more than the \(limit) allowed"
        case .malformed(let reason): reason
        case .file(let error): "\(error)"
        case .left: "the connection is being left for a new one"
        case .closedByPeer: "the server ended the connection"
        case .timedOut(let seconds): "no answer within \(seconds) s"
        case .refused(let refusal): "\(refusal)"
        }
    }
}
