package import RPC
package import SystemPackage

/// A transfer, or one file of it, that failed: in words for a person, the thing and the reason.
package struct TransferError: Error, Sendable, CustomStringConvertible {
    package enum Kind: Sendable, Equatable {
        /// The connection could not be made, or not kept.
        case connection
        /// The server said no.
        case server
        /// Something at this end: a file, a permission, a full disk.
        case local
        /// The source changed while it was read.
        case sourceChanged
    }
    package let kind: Kind
    package let description: String
    /// How RPC was answered, where it was not with SUCCESS.
    package let refusal: RPCError.Refusal?
    /// What the kernel said at this end.
    package let errno: Errno?

    package init(_ kind: Kind, _ description: String, refusal: RPCError.Refusal? = nil, errno: Errno? = nil) {
        self.kind = kind
        self.refusal = refusal
        self.errno = errno
        self.description = description
    }
}
