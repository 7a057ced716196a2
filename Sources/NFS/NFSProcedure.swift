/// What a procedure answers: the results of NFS3_OK, or a status and what goes with a failure.
package enum NFSReply<Success: Sendable, Failure: Sendable>: Sendable {
    case success(Success)
    case failure(NFSStatus, Failure)
}

/// Results that carry nothing.
package struct Nothing: Hashable, Sendable {
    package init() {}
}

/// One procedure whose results begin with an nfsstat3: its arguments and its results, both ways.
package protocol StatusProcedure {
    associatedtype Arguments: XDRValue
    associatedtype Success: Sendable
    associatedtype Failure: Sendable
    associatedtype ResultsWire

    /// What a person calls it: `GETATTR`.
    static var name: String { get }
    static var resultsRoutine: XDRRoutine<ResultsWire> { get }
    static var noResults: ResultsWire { get }
    static func reply(_ wire: ResultsWire) -> NFSReply<Success, Failure>
    static func wire(_ reply: NFSReply<Success, Failure>, _ arena: XDRArena) -> ResultsWire
}

/// One procedure of RFC 1813 section 3.3.
package protocol NFSProcedure: StatusProcedure {
    static var number: NFS.ProcedureNumber { get }
}

extension NFSProcedure {
    package static var name: String { number.name }
}

extension StatusProcedure {
    package typealias Reply = NFSReply<Success, Failure>

    /// Client: the arguments' bytes.
    package static func encode(_ arguments: Arguments) throws(XDREncodingError) -> [UInt8] {
        try XDRCoder.encode(arguments)
    }

    /// Client: what the server answered.
    ///
    /// - Parameters:
    ///   - results: all that follows the accepted reply's header.
    ///   - subject: what the call was about, for the error: a path.
    /// - Throws: ``NFSError`` where the status is not NFS3_OK or the results are malformed.
    package static func decode(_ results: UnsafeRawBufferPointer, subject: String) throws(NFSError) -> Success {
        switch decodeReply(results) {
        case .success(let success): return success
        case .failure(let status, _): throw NFSError(status, procedure: name, subject)
        case nil: throw NFSError(malformed: name, subject)
        }
    }

    /// Client: the reply with what a failure carries; nil where the bytes are malformed.
    package static func decodeReply(_ results: UnsafeRawBufferPointer) -> Reply? {
        XDRCoder.decode(results, noResults, resultsRoutine, reply)
    }

    /// Server: the results' bytes.
    package static func encode(_ reply: Reply) throws(XDREncodingError) -> [UInt8] {
        let arena = XDRArena()
        defer { withExtendedLifetime(arena) {} }
        return try XDRCoder.encode(wire(reply, arena), resultsRoutine)
    }
}

extension XDRValue {
    /// Server: out of a call's arguments; nil where they are malformed: GARBAGE_ARGS.
    package static func decode(_ arguments: UnsafeRawBufferPointer, _ initial: Wire) -> Self? {
        XDRCoder.decode(arguments, initial, routine, Self.init)
    }
}

/// A procedure that failed at the server: what it was about and why.
package struct NFSError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Nil where the reply was malformed.
    package let status: NFSStatus?
    package let procedure: String
    /// What the call was about.
    package let subject: String

    package init(_ status: NFSStatus, procedure: String, _ subject: String) {
        self.status = status
        self.procedure = procedure
        self.subject = subject
    }

    package init(_ status: NFSStatus, _ procedure: NFS.ProcedureNumber, _ subject: String) {
        self.init(status, procedure: procedure.name, subject)
    }

    package init(malformed procedure: NFS.ProcedureNumber, _ subject: String) {
        self.init(malformed: procedure.name, subject)
    }

    package init(malformed procedure: String, _ subject: String) {
        status = nil
        self.procedure = procedure
        self.subject = subject
    }

    package var description: String {
        guard let status else { return "\(subject): the server's answer to \(procedure) is malformed" }
        return "\(subject): \(status.text) (\(procedure): \(status.name))"
    }
}
