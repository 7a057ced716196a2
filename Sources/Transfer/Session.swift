import Glibc
package import Handshake
import Kernel
import NFS
import RPC
import SecureChannel
import Synchronization

/// A server as a transfer uses it: one or several connections, calls spread over them, a connection that breaks made anew.
package final class Session: Sendable {
    package let host: String
    package let options: MountOptions
    private let securer: ClientSecurer
    private let connections: Mutex<[Connection?]>
    private let opening: [Limiter]
    private let turn = Atomic<Int>(0)
    private let protectionSeen = Mutex<ProtectionReport?>(nil)
    /// READs and WRITEs in flight, at most ``callsInFlight``.
    let window: Limiter
    let callsInFlight: Int
    private let onReconnect: @Sendable (String) -> Void

    private struct Connection: Sendable {
        let client: Client
        let number: Int
    }

    /// How a session is protected, for the summary.
    package struct ProtectionReport: Sendable, Equatable, CustomStringConvertible {
        package let cipher: String
        package let recordLayer: String
        package let peer: String
        package var description: String { "TLS 1.3 \(cipher), record layer \(recordLayer), peer \(peer)" }
    }

    /// Bytes from which on a READ or WRITE may go over any of the connections.
    private static let bulkSize = 256 << 10
    /// How often a call that can be repeated is made before its error counts.
    private static let attempts = 6
    /// READs and WRITEs in flight on each connection: enough megabytes to fill a long path, few enough to be fair.
    private static let callsOnEach = 16

    /// - Parameter onReconnect: told, in words for a person, when a connection broke and is made anew.
    package init(
        host: String, options: MountOptions, daemon: HandshakeDaemon, onReconnect: @escaping @Sendable (String) -> Void
    ) {
        self.host = host
        self.options = options
        securer = ClientSecurer(
            daemon: daemon, mutual: options.protection == .mtls, certificateName: options.certificateName,
            patience: min(30, Double(options.timeout) / 10))
        connections = Mutex(Array(repeating: nil, count: options.connections))
        opening = (0..<options.connections).map { _ in Limiter(1) }
        callsInFlight = Self.callsOnEach * options.connections
        window = Limiter(callsInFlight)
        self.onReconnect = onReconnect
    }

    package var protection: ProtectionReport? { protectionSeen.withLock { $0 } }

    /// Ends the connections in good order.
    package func close() {
        let open = connections.withLock { connections in
            defer { connections = Array(repeating: nil, count: connections.count) }
            return connections.compactMap { $0 }
        }
        for connection in open { connection.client.close() }
    }

    /// A connection to call on, made if there is none.
    ///
    /// - Parameter bulk: whether much data goes over it. All else keeps to the first connection, so that a few small files
    ///   do not cost as many handshakes.
    private func connection(bulk: Bool) async throws(TransferError) -> Client {
        let index = bulk ? turn.wrappingAdd(1, ordering: .relaxed).oldValue % opening.count : 0
        if let usable = usable(index) { return usable }
        await opening[index].acquire()
        defer { opening[index].release() }
        // Another task may have made it meanwhile.
        if let usable = usable(index) { return usable }
        return try open(index)
    }

    private func usable(_ index: Int) -> Client? {
        connections.withLock { connections in
            guard let connection = connections[index], connection.client.failure == nil else { return nil }
            return connection.client
        }
    }

    private func open(_ index: Int) throws(TransferError) -> Client {
        let secured: SecuredConnection
        do throws(ClientSecurer.Failure) {
            secured = try securer.connect(
                host: host, port: options.port, program: NFS.program, version: NFS.version)
        } catch {
            throw TransferError(.connection, "\(error)")
        }
        protectionSeen.withLock {
            $0 = ProtectionReport(
                cipher: secured.suite.name, recordLayer: secured.channel.layer.rawValue,
                peer: secured.peer?.subject ?? "without a certificate")
        }
        do throws(SystemError) {
            let client = try Client(
                secured.channel, patience: Double(options.timeout) / 10,
                credential: .system(uid: geteuid(), gid: getegid(), groups: []))
            let number = connections.withLock { connections -> Int in
                let number = (connections[index]?.number ?? 0) + 1
                connections[index] = Connection(client: client, number: number)
                return number
            }
            if number > 1 { onReconnect("connected to \(host) again") }
            return client
        } catch {
            throw TransferError(.local, "\(error)")
        }
    }

    /// Makes a call; where the connection breaks and `repeatable` allows it, makes it again on a new one.
    ///
    /// - Parameters:
    ///   - repeatable: whether doing it twice is as good as once.
    ///   - subject: what it is about, for errors: a path.
    ///   - localName: the file at this end that the payload comes from or goes to, for its errors.
    func call(
        program: UInt32 = NFS.program, version: UInt32 = NFS.version, procedure: UInt32, arguments: [UInt8],
        payload: OutboundMessage.FileRange? = nil, sink: Client.Sink? = nil, repeatable: Bool, subject: String,
        localName: String? = nil
    ) async throws -> Client.Reply {
        let bulk = max(payload?.count ?? 0, sink?.limit ?? 0) >= Self.bulkSize
        var attempt = 1
        while true {
            do {
                let client = try await connection(bulk: bulk)
                return try await client.call(
                    program: program, version: version, procedure: procedure, arguments: arguments, payload: payload,
                    sink: sink)
            } catch let error as RPCError {
                switch error {
                case .channel(.fileTruncated) where payload != nil:
                    // Not necessarily this call's file: its caller looks and knows.
                    try checkSource(payload, localName ?? subject)
                case .channel, .closedByPeer: break
                case .file(let reason): throw TransferError(.local, "\(localName ?? subject): \(reason.errno)")
                case .timedOut, .oversized, .malformed:
                    throw TransferError(.connection, "\(subject): \(host): \(error)")
                case .refused: throw TransferError(.server, "\(subject): \(error)")
                }
                if case .channel(.peerAlert) = error {
                    // It would say the same on every connection.
                    throw TransferError(.connection, "\(host): \(error)")
                }
                guard repeatable, attempt < Self.attempts else {
                    throw TransferError(.connection, "\(subject): the connection to \(host) was lost: \(error)")
                }
                if attempt == 1 { onReconnect("the connection to \(host) was lost (\(error)); connecting again") }
            } catch let error as TransferError where error.kind == .connection && attempt > 1 && attempt < Self.attempts
            {
                // The server may be starting again.
            }
            try await Task.sleep(for: .milliseconds(50 << attempt))
            attempt += 1
        }
    }

    /// A file that got shorter while it was sent takes its connection with it; other files' calls go on with a new one.
    private func checkSource(_ payload: OutboundMessage.FileRange?, _ subject: String) throws(TransferError) {
        guard let payload else { return }
        guard let status = try? Files.status(payload.file.raw),
            UInt64(status.st_size) >= payload.offset + UInt64(payload.count)
        else { throw TransferError(.sourceChanged, "\(subject): got shorter while it was read") }
    }

    /// A procedure of NFSv3 whose results are all in memory.
    func nfs<P: NFSProcedure>(
        _ procedure: P.Type, _ arguments: P.Arguments, repeatable: Bool = true, subject: String
    ) async throws -> P.Success {
        let encoded = try encode(subject) { () throws(XDREncodingError) in try P.encode(arguments) }
        var delay = 100
        while true {
            let reply = try await call(
                procedure: P.number.rawValue, arguments: encoded, repeatable: repeatable, subject: subject)
            do {
                return try reply.results.withUnsafeBytes { try P.decode($0, subject: subject) }
            } catch let error as NFSError {
                // The server asks for patience: RFC 1813 section 2.6.
                guard error.status == .jukebox, delay < 20000 else { throw error }
                try await Task.sleep(for: .milliseconds(delay))
                delay *= 2
            }
        }
    }

    func encode<R>(_ subject: String, _ body: () throws(XDREncodingError) -> R) throws(TransferError) -> R {
        do throws(XDREncodingError) {
            return try body()
        } catch {
            throw TransferError(.local, "\(subject): \(error)")
        }
    }
}
