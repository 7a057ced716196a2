import NFS
import RPC
import Synchronization

/// What a server's extra program does for a mount.
package struct XferCapabilities: Sendable, Equatable {
    /// Bytes of the largest file that ``Remote/put(_:in:_:temporary:attributes:existing:synchronize:)`` takes.
    package let putMaximum: Int
    /// Checksum algorithms by their numbers: the bit `1 << (number - 1)`.
    let algorithms: UInt32
    /// Bytes that one CHECKSUM covers, and that a block may have.
    package let rangeMaximum: UInt64
    /// Segments in one reply.
    let segmentMaximum: UInt32
    /// The export lets this client change something.
    package let isWritable: Bool
    /// See ``Xfer/Capabilities/Success/hasWholeReads``.
    let hasWholeReads: Bool
    /// See ``Xfer/Capabilities/Success/hasManyFiles``.
    let hasManyFiles: Bool

    init(_ server: Xfer.Capabilities.Success) {
        // PUT's data goes through memory here, so there is a limit of this end too.
        putMaximum = Int(min(server.putMaximum, 4 << 20))
        algorithms = server.algorithms
        rangeMaximum = server.rangeMaximum
        segmentMaximum = max(1, min(server.segmentMaximum, UInt32(Xfer.segmentLimit)))
        isWritable = server.isWritable
        hasWholeReads = server.hasWholeReads
        hasManyFiles = server.hasManyFiles
    }
}

/// Whether the server of a mount has XFER: asked once.
final class XferSupport: Sendable {
    private enum State {
        case unknown
        case known(XferCapabilities?)
    }

    private let state = Mutex(State.unknown)
    private let asking = Limiter(1)
    /// CHECKSUMs at once: a server has few threads for them, and answers more with NFS3ERR_JUKEBOX.
    let checksums = Limiter(2)

    /// - Parameter ask: nil where there is none. Where it throws, the next one asks again.
    func capabilities(_ ask: () async throws -> XferCapabilities?) async throws -> XferCapabilities? {
        if case .known(let known) = state.withLock({ $0 }) { return known }
        await asking.acquire()
        defer { asking.release() }
        // Another task may have asked meanwhile.
        if case .known(let known) = state.withLock({ $0 }) { return known }
        let answer = try await ask()
        state.withLock { $0 = .known(answer) }
        return answer
    }
}

extension Remote {
    /// What the server's extra program does; nil where it has none, or `-o noxfer` is given. Asked of the server once.
    ///
    /// - Throws: ``TransferError`` where the connection is lost; ``NFSError`` where the export is gone.
    package func xfer() async throws -> XferCapabilities? {
        guard session.options.usesXfer else { return nil }
        return try await xferSupport.capabilities {
            do {
                return XferCapabilities(try await xfer(Xfer.Capabilities.self, root, subject: session.host))
            } catch let error as TransferError where error.refusal != nil {
                // PROG_UNAVAIL, PROG_MISMATCH; or a program that is another one's.
                return nil
            } catch let error as NFSError where error.status == nil || error.status == .notSupported {
                return nil
            }
        }
    }

    /// A procedure of XFER.
    ///
    /// - Parameter isLong: the server takes its time: over any of the connections.
    func xfer<P: XferProcedure>(
        _ procedure: P.Type, _ arguments: P.Arguments, subject: String, isLong: Bool = false
    ) async throws -> P.Success {
        let encoded = try session.encode(subject) { () throws(XDREncodingError) in try P.encode(arguments) }
        return try await session.patiently(subject) {
            let reply = try await xferReply(P.self, encoded, subject: subject, isLong: isLong)
            switch reply {
            case .success(let success): return success
            case .failure(let status, _): throw NFSError(status, procedure: P.name, subject)
            }
        }
    }

    /// The same with encoded arguments, and the reply as it is.
    ///
    /// - Parameter carried: bytes of a file in the arguments, which count against the bandwidth.
    func xferReply<P: XferProcedure>(
        _ procedure: P.Type, _ arguments: [UInt8], carrying carried: Int = 0, subject: String, isLong: Bool = false
    ) async throws -> P.Reply {
        let reply = try await session.call(
            program: Xfer.program, version: Xfer.version, procedure: P.number.rawValue, arguments: arguments,
            expected: carried, subject: subject, isLong: isLong)
        guard let decoded = reply.results.withUnsafeBytes({ P.decodeReply($0) }) else {
            throw NFSError(malformed: P.name, subject)
        }
        return decoded
    }
}
