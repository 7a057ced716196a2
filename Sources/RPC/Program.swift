package import Kernel

/// One ONC RPC program and version that a server answers (RFC 5531).
///
/// Its functions are called on the server's worker threads, several at once, for different connections. They may block on
/// files. They never see a malformed RPC header: the server has answered that. Arguments are the peer's bytes and unchecked.
package protocol Program: Sendable {
    /// The program number.
    var number: UInt32 { get }
    /// The version.
    var version: UInt32 { get }

    /// Bytes of arguments a call of `procedure` may have, payload not counted; a longer one closes the connection.
    func argumentLimit(procedure: UInt32) -> Int

    /// Whether a call of `procedure` ends in a payload that should go to a file without passing through memory.
    ///
    /// - Parameter arguments: the first bytes of the arguments, as many as came so far.
    func payload(procedure: UInt32, arguments: UnsafeRawBufferPointer) -> PayloadPosition

    /// What a client may ask without TLS. NULL it always may.
    func cleartextAccess(procedure: UInt32) -> CleartextAccess

    /// Answers a call that is wholly in memory.
    func call(_ call: Call, arguments: UnsafeRawBufferPointer) -> Answer

    /// Begins a call whose payload is about to arrive.
    ///
    /// - Parameters:
    ///   - arguments: everything before the payload's first byte.
    ///   - count: bytes of payload, not counting XDR's padding.
    func begin(_ call: Call, arguments: UnsafeRawBufferPointer, payload count: Int) -> PayloadStart
}

extension Program {
    package func argumentLimit(procedure: UInt32) -> Int { 8192 }
    package func payload(procedure: UInt32, arguments: UnsafeRawBufferPointer) -> PayloadPosition { .none }
    package func cleartextAccess(procedure: UInt32) -> CleartextAccess { .none }
    package func begin(_ call: Call, arguments: UnsafeRawBufferPointer, payload count: Int) -> PayloadStart {
        .answered(.garbageArguments)
    }
}

/// What a program takes from a connection without TLS.
package enum CleartextAccess: Sendable {
    /// Nothing: AUTH_TOOWEAK.
    case none
    /// Calls, as long as the connection has not been there for longer than TLS may take to come.
    case brief
    /// Calls, for as long as the client likes. The program refuses those that are not for everybody.
    case lasting
}

/// Where the payload of a call stands in its arguments.
package enum PayloadPosition: Equatable, Sendable {
    /// There is none: the whole call goes to memory.
    case none
    /// Cannot be told before this many bytes of arguments are there.
    case needs(Int)
    /// After `offset` bytes of arguments, `count` bytes and XDR's padding, and nothing after them.
    case at(offset: Int, count: Int)
}

/// What a program wants done with an arriving payload.
package enum PayloadStart: Sendable {
    /// Write it to a file; `finish` is called with nil when all of it is there, or with what failed.
    case write(PayloadTarget, finish: @Sendable (SystemError?) -> Answer)
    /// Read it off the connection and forget it: the answer is known already.
    case answered(Answer)
}

/// A place in a file.
package struct PayloadTarget: Sendable {
    package let file: SharedDescriptor
    /// Bytes from the start of the file.
    package let offset: UInt64
    /// As whom to write it; nil: as the process's own user. The kernel looks at that for set-user-ID bits, which a write
    /// takes away, and for the blocks of a file system that are kept for root.
    package let writer: FileIdentity?

    package init(file: SharedDescriptor, offset: UInt64, writer: FileIdentity? = nil) {
        self.file = file
        self.offset = offset
        self.writer = writer
    }

    /// Runs `body`, which writes, as ``writer``.
    func asWriter<R>(_ body: () throws -> R) throws -> R {
        try ThreadCredentials.perform(as: writer, orThrow: { $0 as any Error }, body)
    }
}

/// The header of a call, decoded and checked.
package struct Call: Sendable {
    package let transaction: UInt32
    package let program: UInt32
    package let version: UInt32
    package let procedure: UInt32
    package let credential: Credential
    package let peer: Peer

    package init(
        transaction: UInt32, program: UInt32, version: UInt32, procedure: UInt32, credential: Credential, peer: Peer
    ) {
        self.transaction = transaction
        self.program = program
        self.version = version
        self.procedure = procedure
        self.credential = credential
        self.peer = peer
    }
}

/// How a call was answered: an accepted reply's status (RFC 5531 section 9), and the results.
package enum Answer: Sendable {
    /// SUCCESS with encoded results.
    case results([UInt8])
    /// SUCCESS with encoded results up to and including the length word of the last opaque, whose `count` bytes follow from
    /// the file at `offset` and are padded to a multiple of four by the server.
    case file([UInt8], SharedDescriptor, offset: UInt64, count: Int)
    /// PROC_UNAVAIL
    case procedureUnavailable
    /// GARBAGE_ARGS
    case garbageArguments
    /// SYSTEM_ERR
    case systemError
    /// MSG_DENIED, AUTH_ERROR with this auth_stat
    case denied(AuthStatus)
}

/// auth_stat of RFC 5531 section 9.
package enum AuthStatus: UInt32, Sendable {
    case badCredential = 1
    case rejectedCredential = 2
    case badVerifier = 3
    case rejectedVerifier = 4
    case tooWeak = 5
}

/// A call's credential.
package enum Credential: Sendable, Equatable {
    /// AUTH_NONE
    case none
    /// AUTH_SYS, RFC 5531 appendix A: at most 16 groups.
    case system(uid: UInt32, gid: UInt32, groups: [UInt32])
    /// AUTH_TLS, RFC 9289 section 4.1
    case tls
    /// Another flavor.
    case unsupported(flavor: UInt32)
}
