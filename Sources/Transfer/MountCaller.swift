import Handshake
import Kernel
import NFS
import RPC
import SecureChannel

/// The calls of MOUNT: on the connection that NFS uses, or to a MOUNT service with a port of its own, such as Linux's
/// mountd, which knows no TLS.
final class MountCaller {
    private let session: Session
    /// The connection to a MOUNT service on another port; nil until there is one.
    private var own: Client?

    init(_ session: Session) { self.session = session }

    private var options: MountOptions { session.options }

    /// As far as the options say.
    var isOnNFSPort: Bool { options.mountPort == nil }

    func close() { own?.close() }

    /// Makes a call.
    ///
    /// - Throws: ``TransferError``, and ``MountError`` from `decode`.
    func call<R>(
        _ procedure: Mount.ProcedureNumber, _ arguments: [UInt8], subject: String,
        _ decode: (UnsafeRawBufferPointer) throws(MountError) -> R
    ) async throws -> R {
        if own == nil, let place = options.mountPort { own = try await connect(place) }
        if own == nil {
            do {
                let reply = try await session.call(
                    program: Mount.program, version: Mount.version, procedure: procedure.rawValue,
                    arguments: arguments, subject: subject)
                return try reply.results.withUnsafeBytes { try decode($0) }
            } catch let error as TransferError where error.refusal == .programUnavailable(Mount.program) {
                guard options.cleartextMount || options.protection == .cleartext else { throw elsewhere() }
                own = try await connect(.rpcbind)
            }
        }
        guard let own else { throw elsewhere() }
        do {
            let reply = try await own.call(
                program: Mount.program, version: Mount.version, procedure: procedure.rawValue, arguments: arguments)
            return try reply.results.withUnsafeBytes { try decode($0) }
        } catch let error as RPCError {
            guard case .refused(let refusal) = error else {
                throw TransferError(.connection, "\(subject): \(session.host)'s MOUNT service: \(error)")
            }
            throw TransferError(.server, "\(subject): MOUNT: \(options.explain(refusal))", refusal: refusal)
        }
    }

    private func elsewhere() -> TransferError {
        TransferError(
            .server,
            """
            \(session.host): no MOUNT service on the NFS port \(options.port). -o mountport=NUMBER says where it is, \
            -o mountport=rpcbind asks the server's rpcbind; where it has no TLS, as Linux's has not, -o cleartext_mount \
            lets MOUNT alone go without
            """)
    }

    private func connect(_ place: MountOptions.MountPort) async throws -> Client {
        let port =
            switch place {
            case .number(let number): number
            case .rpcbind: try await askRPCBind()
            }
        return try await Blocking.run("connect") { [session] in
            Result { () throws(TransferError) in try Self.connect(session, port) }
        }
    }

    /// Connects with TLS where the service has it, otherwise only if that was asked for. Blocks.
    private static func connect(_ session: Session, _ port: UInt16) throws(TransferError) -> Client {
        if session.options.protection != .cleartext {
            guard let securer = session.securer else {
                throw TransferError(.local, "no tlscd to make connections with")
            }
            if let channel = try secured(session, port, securer) { return try session.client(channel) }
        }
        return try session.client(try session.connectInCleartext(port: port))
    }

    private static func secured(_ session: Session, _ port: UInt16, _ securer: ClientSecurer) throws(TransferError)
        -> Channel?
    {
        do throws(ClientSecurer.Failure) {
            return try securer.connect(
                host: session.host, port: port, program: Mount.program, version: Mount.version
            ).channel
        } catch {
            guard error.isWithoutTLS else { throw TransferError(.connection, "MOUNT: \(error)") }
            guard session.options.cleartextMount else { throw TransferError(.connection, withoutTLS(error)) }
            return nil
        }
    }

    private static func withoutTLS(_ error: ClientSecurer.Failure) -> String {
        """
        \(error.address): the MOUNT service has no TLS: \(error.reason). -o cleartext_mount lets the MOUNT calls alone go in \
        cleartext; all of NFS stays in TLS. Somebody on the path could then see which export is mounted, and answer with \
        another of the server's directories
        """
    }

    private func askRPCBind() async throws -> UInt16 {
        let host = session.host
        let client = try await Blocking.run("connect") { [session] in
            Result { () throws(TransferError) in
                do throws(TransferError) {
                    return try session.client(try session.connectInCleartext(port: session.options.rpcbindPort))
                } catch {
                    throw TransferError(
                        .connection,
                        "rpcbind cannot be asked where MOUNT is: \(error). -o mountport=NUMBER says it instead")
                }
            }
        }
        defer { client.close() }
        do {
            if let port = try await Portmapper.port(of: Mount.program, version: Mount.version, on: client) {
                return port
            }
        } catch {
            throw TransferError(.server, "\(host): rpcbind cannot say where MOUNT is: \(error)")
        }
        throw TransferError(.server, "\(host): its rpcbind knows no MOUNT version 3 over TCP")
    }
}

extension ClientSecurer.Failure {
    /// The peer was there and is not one for TLS; what failed otherwise says nothing of that.
    fileprivate var isWithoutTLS: Bool {
        switch refusal {
        case .unsupported, .closed: true
        default: false
        }
    }
}
