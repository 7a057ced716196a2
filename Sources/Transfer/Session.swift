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
    /// Nil where nothing is protected: `xprtsec=none`.
    let securer: ClientSecurer?
    private let connector: Connector
    private let connections: Mutex<[Connection?]>
    /// Nothing is called, and nothing connected, any more.
    private let isClosed = Atomic<Bool>(false)
    /// Connections that take no more calls and have some in flight.
    private let leaving = Mutex<[Client]>([])
    /// The root of what is mounted, for CAPABILITIES of XFER; nil: nothing is, or the extra program is not to be used.
    private let root = Mutex<FileHandle?>(nil)
    private let opening: [Limiter]
    /// Connections that are being made while calls go over others.
    private let beginning = Mutex<Set<Int>>([])
    /// Asked for so far by calls that may go over any of the connections.
    private let bulkBytes = Atomic<Int>(0)
    /// Until when connections that could not be made are not tried again while there are others.
    private let failures: Mutex<[Deadline?]>
    private let turn = Atomic<Int>(0)
    /// The xid of the next call, on whichever connection.
    private let transactions = Atomic<UInt32>(UInt32.random(in: 0 ... .max))
    private let protectionsSeen = Mutex<[ProtectionReport]>([])
    private let peerSeen = Mutex<PeerIdentity?>(nil)
    private let stepDone: @Sendable (ConnectionStep) -> Void
    private let interruption = Interruption()
    /// READs and WRITEs in flight.
    let window: CallWindow
    /// How many of them there may be now.
    var callsInFlight: Int { window.limit }
    /// What READs and WRITEs move is taken from it; nil: there is no limit.
    package let bandwidth: TokenBucket?
    private let notify: @Sendable (String) -> Void
    private let saidToWait = Atomic<Bool>(false)
    private let outage: Outage
    private let saidLeft = Atomic<Bool>(false)

    private struct Connection: Sendable {
        let client: Client
        /// When it was made: nanoseconds of the monotonic clock.
        let opened: UInt64
    }

    /// How a session is protected, for the summary.
    package struct ProtectionReport: Sendable, Equatable, CustomStringConvertible {
        /// `none` in cleartext, as the record layer is.
        package let cipher: String
        package let recordLayer: String
        package let peer: String
        package var description: String {
            recordLayer == "none"
                ? "none: cleartext, and nobody knows who \(peer) is"
                : "TLS 1.3 \(cipher), record layer \(recordLayer), peer \(peer)"
        }
    }

    /// Bytes from which on a READ or WRITE may go over any of the connections.
    private static let bulkSize = 256 << 10
    /// Bytes from which on they get more than one: less is moved before another handshake is done.
    private static let worthConnecting = 8 << 20
    /// How often a call is made before the loss of its connection counts, however short the outage is.
    private var attempts: Int { options.isHard ? .max : options.retries + 1 }
    private static let restSeconds = 5.0
    /// READs and WRITEs in flight for each connection, at least.
    private static let callsOnEach = 16

    /// - Parameters:
    ///   - daemon: does the handshakes; nil for `xprtsec=none`.
    ///   - bandwidth: shared by all sessions that are to stay below one limit.
    ///   - stepDone: told of each step of connecting that is done, on a thread of its own.
    ///   - notify: told, in words for a person, when a connection broke and is made anew, and when the server wants time.
    package init(
        host: String, options: MountOptions, daemon: HandshakeDaemon?, bandwidth: TokenBucket? = nil,
        stepDone: @escaping @Sendable (ConnectionStep) -> Void = { _ in },
        notify: @escaping @Sendable (String) -> Void
    ) {
        self.host = host
        self.bandwidth = bandwidth
        self.options = options
        let patience = min(30, Double(options.timeout) / 10)
        connector = Connector(patience: patience, reservedPort: options.reservedPort)
        var daemon = daemon
        if let limit = options.keyRecords { daemon?.keyLimits = KeyLimits(records: limit) }
        securer =
            options.protection == .cleartext
            ? nil
            : daemon.map {
                ClientSecurer(
                    daemon: $0, mutual: options.protection == .mtls, certificateName: options.certificateName,
                    patience: patience, reservedPort: options.reservedPort)
            }
        connections = Mutex(Array(repeating: nil, count: options.connections))
        failures = Mutex(Array(repeating: nil, count: options.connections))
        opening = (0..<options.connections).map { _ in Limiter(1) }
        window = CallWindow(least: Self.callsOnEach * options.connections)
        self.notify = notify
        self.stepDone = stepDone
        outage = Outage(host: host, limit: options.outage, notify: notify)
    }

    /// That of the last connection that was made; nil before there is one.
    package var protection: ProtectionReport? { protectionsSeen.withLock { $0.last } }

    /// Those of all connections so far, each once.
    package var protections: [ProtectionReport] { protectionsSeen.withLock { $0 } }

    /// Gives up the calls in flight, for somebody who wants to leave: the tasks that wait for them end with
    /// `CancellationError`. Calls that change names may be made for ``Interruption/grace`` seconds more, on new connections,
    /// to take back what was begun; after that all calls fail. READs and WRITEs fail from now on.
    package func interrupt() {
        guard interruption.begin(.cleaning) else { return }
        drop()
        try? Thread.detached("interrupted") { [self] in
            Condition(()).wait(until: .after(seconds: Interruption.grace)) { _ in nil as Void? }
            if interruption.begin(.over) { drop() }
        }
    }

    private func drop() {
        let open = connections.withLock { $0.compactMap { $0?.client } } + leaving.withLock { $0 }
        for client in open { client.fail(.channel(.closed)) }
    }

    /// Who the server's certificate says it is; nil in cleartext and before there was a connection.
    package var peer: PeerIdentity? { peerSeen.withLock { $0 } }

    /// Makes the first connection, which ``call(program:version:procedure:arguments:payload:sink:subject:localName:)`` does
    /// itself where there is none.
    package func open() async throws {
        do throws(TransferError) {
            _ = try await connection(bulk: false)
        } catch {
            if interruption.phase != .none { throw CancellationError() }
            throw error
        }
    }

    /// Ends the connections in good order; no call can be made afterwards.
    package func close() {
        let open = connections.withLock { connections in
            isClosed.store(true, ordering: .relaxed)
            defer { connections = Array(repeating: nil, count: connections.count) }
            return connections.compactMap { $0?.client }
        }
        for client in open + leaving.withLock({ $0 }) { client.close() }
    }

    /// A connection to call on, made if there is none.
    ///
    /// - Parameter bulk: whether much data goes over it. All else keeps to the first connection, so that a few small files
    ///   do not cost as many handshakes.
    private func connection(bulk: Bool) async throws(TransferError) -> Connection {
        let index = bulk ? turn.wrappingAdd(1, ordering: .relaxed).oldValue % opening.count : 0
        if let usable = usable(index) { return usable }
        // Over a long path connecting takes as long as many calls, which another connection can have until then.
        if bulk, own(index) == nil, let other = anyUsable, !other.client.channel.isWorn {
            if bulkBytes.load(ordering: .relaxed) >= Self.worthConnecting { begin(index) }
            return other
        }
        return try await make(index)
    }

    /// Has a connection made while calls go over others.
    private func begin(_ index: Int) {
        guard beginning.withLock({ $0.insert(index).inserted }) else { return }
        Task { [self] in
            // Why it cannot be made is said when there is no other one.
            _ = try? await make(index)
            _ = beginning.withLock { $0.remove(index) }
        }
    }

    /// Makes the connection of a number, or finds another one where it cannot be made.
    private func make(_ index: Int) async throws(TransferError) -> Connection {
        await opening[index].acquire()
        defer { opening[index].release() }
        // Another task may have made it meanwhile, or have found that it cannot be made.
        if let usable = usable(index) { return usable }
        let worn = own(index)
        if let worn, await keysMayChange(worn.client) { return worn }
        do throws(TransferError) {
            let connection = try await open(index)
            failures.withLock { $0[index] = nil }
            if let worn { leave(worn.client) }
            return connection
        } catch {
            // One connection fewer is no loss of the server.
            guard let other = anyUsable else { throw error }
            failures.withLock { $0[index] = Deadline.after(seconds: Self.restSeconds) }
            return other
        }
    }

    /// A server that was there once may come back; one that never was is somebody's typing error.
    var wasReached: Bool { protection != nil }

    /// The connection of a number, or another one while that cannot be made.
    private func usable(_ index: Int) -> Connection? {
        if let own = own(index), !own.client.channel.isWorn { return own }
        guard let rest = failures.withLock({ $0[index] }), !rest.hasPassed else { return nil }
        return anyUsable
    }

    private func own(_ index: Int) -> Connection? {
        connections.withLock { $0[index] }.flatMap { $0.client.failure == nil ? $0 : nil }
    }

    /// Has the calls in flight end on their connection, and no others begin on it.
    private func leave(_ client: Client) {
        leaving.withLock { leaving in
            leaving.removeAll { $0.isOver }
            leaving.append(client)
        }
        client.leave()
    }

    /// Tells that something is mounted.
    func mounted(_ root: FileHandle) {
        guard options.usesXfer else { return }
        self.root.withLock { if $0 == nil { $0 = root } }
    }

    /// Asks the server whether it takes KeyUpdates on a connection that is worn: then that is used further, each key until
    /// it has protected what it should. Whom they are strange to, such as Linux's own server, they would cut off.
    private func keysMayChange(_ client: Client) async -> Bool {
        guard client.channel.takesKeyUpdates, let root = root.withLock({ $0 }),
            let arguments = try? Xfer.Capabilities.encode(root),
            let reply = try? await client.call(
                program: Xfer.program, version: Xfer.version, procedure: Xfer.Capabilities.number.rawValue,
                arguments: arguments),
            case .success(let server)? = reply.results.withUnsafeBytes({ Xfer.Capabilities.decodeReply($0) }),
            server.takesKeyUpdates
        else { return false }
        client.channel.allowKeyUpdates()
        return true
    }

    private var anyUsable: Connection? {
        connections.withLock { $0 }.lazy.compactMap { $0 }.first { $0.client.failure == nil }
    }

    private func open(_ index: Int) async throws(TransferError) -> Connection {
        let (client, report) = try await interruption.race { done in
            do throws(SystemError) {
                try Thread.detached("connect") { [self] in
                    done(Result { () throws(TransferError) in try connect() })
                }
            } catch {
                done(.failure(TransferError(.local, "\(error)")))
            }
        } late: {
            $0.0.fail(.channel(.closed))
        }
        protectionsSeen.withLock { seen in
            seen.removeAll { $0 == report }
            seen.append(report)
        }
        let connection = Connection(client: client, opened: Deadline.clock)
        let isWanted = connections.withLock { connections in
            if isClosed.load(ordering: .relaxed) { return false }
            connections[index] = connection
            return true
        }
        guard isWanted else {
            client.close()
            throw closed
        }
        return connection
    }

    private var closed: TransferError { TransferError(.connection, "\(host): the connections were closed") }

    /// Connects to the NFS service as the options want it protected. Blocks.
    private func connect() throws(TransferError) -> (Client, ProtectionReport) {
        if options.protection == .cleartext {
            let channel = try connectInCleartext(port: options.port)
            return (try client(channel), ProtectionReport(cipher: "none", recordLayer: "none", peer: host))
        }
        guard let securer else { throw TransferError(.local, "no tlscd to make connections with") }
        let secured: SecuredConnection
        do throws(ClientSecurer.Failure) {
            secured = try securer.connect(
                host: host, port: options.port, program: NFS.program, version: NFS.version, stepDone: stepDone)
        } catch {
            throw TransferError(.connection, "\(error)")
        }
        peerSeen.withLock { $0 = secured.peer }
        let report = ProtectionReport(
            cipher: secured.suite.name, recordLayer: secured.channel.layer.rawValue,
            peer: secured.peer?.subject ?? "without a certificate")
        return (try client(secured.channel), report)
    }

    /// Blocks.
    func connectInCleartext(port: UInt16) throws(TransferError) -> Channel {
        do throws(ClientSecurer.Failure) {
            return .cleartext(try connector.connect(host: host, port: port, stepDone: stepDone).socket)
        } catch {
            throw TransferError(.connection, "\(error)")
        }
    }

    /// An RPC client on a connection, with this user's AUTH_SYS credential.
    func client(_ channel: Channel) throws(TransferError) -> Client {
        do throws(SystemError) {
            return try Client(channel, patience: Double(options.timeout) / 10, credential: Self.credential)
        } catch {
            throw TransferError(.local, "\(error)")
        }
    }

    /// RFC 5531 appendix A: 16 groups at most.
    private static let credential: Credential = {
        var groups = [gid_t](repeating: 0, count: 65536)
        let count = getgroups(Int32(groups.count), &groups)
        return .system(uid: geteuid(), gid: getegid(), groups: Array(groups.prefix(min(16, max(0, Int(count))))))
    }()

    /// Makes a call; where the connection breaks, makes it again on a new one, with the same xid: a server that keeps its
    /// last replies does nothing twice.
    ///
    /// - Parameters:
    ///   - subject: what it is about, for errors: a path.
    ///   - expected: bytes of data in a reply that is taken into memory.
    ///   - localName: the file at this end that the payload comes from or goes to, for its errors.
    ///   - isLong: the server takes its time, or the arguments have the payload: over any of the connections.
    func call(
        program: UInt32 = NFS.program, version: UInt32 = NFS.version, procedure: UInt32, arguments: [UInt8],
        payload: OutboundMessage.FileRange? = nil, sink: Client.Sink? = nil, expected: Int = 0, subject: String,
        localName: String? = nil, isLong: Bool = false
    ) async throws -> Client.Reply {
        let bytes = max(payload?.count ?? 0, sink?.limit ?? 0, expected)
        let bulk = isLong || bytes >= Self.bulkSize
        if bulk { bulkBytes.wrappingAdd(bytes, ordering: .relaxed) }
        let transaction = transactions.wrappingAdd(1, ordering: .relaxed).oldValue
        let changesNames = program == NFS.program && Self.changingNames.contains(procedure)
        let begun = interruption.phase
        if begun != .none && (payload != nil || sink != nil) { throw CancellationError() }
        /// True where the caller wants to leave, and this call is to be made all the same.
        func isCleaning() throws -> Bool {
            let phase = interruption.phase
            if phase == .none { return false }
            if phase == .cleaning && (changesNames || begun == .cleaning) { return true }
            if changesNames && !saidLeft.exchange(true, ordering: .relaxed) {
                notify("\(host) does not answer: temporary files (.NAME.*.xfer) may be left there")
            }
            throw CancellationError()
        }
        var attempt = 1
        while true {
            // Where all other calls gave up, each of a thousand files would wait anew.
            if let reason = outage.reason { throw TransferError(.connection, "\(subject): \(reason)") }
            if isClosed.load(ordering: .relaxed) { throw closed }
            let failure: any Error
            var used: Connection?
            do {
                // For each attempt: what is sent again is sent.
                try await bandwidth?.take(bytes)
                let connection = try await connection(bulk: bulk)
                used = connection
                let begun = Deadline.clock
                let reply = try await connection.client.call(
                    transaction: transaction, program: program, version: version, procedure: procedure,
                    arguments: arguments, payload: payload,
                    sink: sink)
                outage.end(opened: connection.opened)
                if let sink { bandwidth?.giveBack(sink.limit - reply.payload) }
                if sink != nil || payload != nil {
                    window.moved(payload?.count ?? reply.payload)
                } else if !bulk {
                    window.answered(after: Deadline.clock - begun)
                }
                return reply
            } catch let error as RPCError {
                switch error {
                case .left:
                    // Chosen in the moment when it was left for a new one.
                    bandwidth?.giveBack(bytes)
                    continue
                case .closedByPeer where interruption.phase == .none && used?.client.wasServed ?? false:
                    // In good order, as a server does whose key has protected enough: the next one, without a word.
                    continue
                case .channel(.fileTruncated) where payload != nil:
                    // Not necessarily this call's file: its caller looks and knows.
                    try checkSource(payload, localName ?? subject)
                case .channel(.peerAlert):
                    // It would say the same on every connection.
                    throw TransferError(.connection, "\(host): \(error)")
                case .timedOut where options.isHard: break
                case .channel, .closedByPeer: break
                default:
                    if case .refused = error, let used { outage.end(opened: used.opened) }
                    throw self.failure(error, sink, subject, localName)
                }
                failure = error
            } catch let error as TransferError where error.kind == .connection {
                // The server may be starting again.
                guard try isCleaning() || wasReached else { throw error }
                failure = error
            }
            // A server that starts again is not asked by all its clients all the time: up to 12.8 s between two attempts.
            var pause = Double(50 << min(attempt, 8)) / 1000
            attempt += 1
            if try isCleaning() {
                try await self.pause(seconds: pause)
                continue
            }
            // While there are others, one connection that broke is made anew without a word.
            if anyUsable == nil { outage.begin("\(failure)", opened: used?.opened) }
            let left = outage.left
            guard attempt <= attempts, left ?? 1 > 0 else {
                let waited =
                    attempt <= attempts ? options.outage.map { ", and not had again in \(Outage.words($0))" } : nil
                let reason = outage.giveUp("the connection to \(host) was lost\(waited ?? ""): \(failure)")
                throw TransferError(.connection, "\(subject): \(reason)")
            }
            if let left { pause = min(pause, max(left, 0.001)) }
            try await self.pause(seconds: pause)
        }
    }

    /// SETATTR, CREATE, MKDIR, SYMLINK, MKNOD, REMOVE, RMDIR, RENAME, LINK.
    private static let changingNames: Set<UInt32> = [2, 8, 9, 10, 11, 12, 13, 14, 15]

    /// Ends early where the task is cancelled; not where that has happened already and this is the cleaning up.
    private func pause(seconds: Double) async throws {
        if interruption.phase == .cleaning {
            await Task.detached { try? await Task.sleep(for: .seconds(min(seconds, 0.2))) }.value
        } else {
            try await Task.sleep(for: .seconds(seconds))
        }
    }

    /// What an error that another connection would not mend is to a person.
    private func failure(
        _ error: RPCError, _ sink: Client.Sink?, _ subject: String, _ localName: String?
    ) -> TransferError {
        switch error {
        case .file(let reason): TransferError(.local, "\(localName ?? subject): \(reason.errno)")
        case .refused(let refusal):
            TransferError(.server, "\(subject): \(options.explain(refusal))", refusal: refusal)
        case .oversized(let count, let limit) where limit == sink?.limit:
            TransferError(.server, "\(subject): the server sent \(count) bytes where \(limit) were asked for")
        default: TransferError(.connection, "\(subject): \(host): \(error)")
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
        _ procedure: P.Type, _ arguments: P.Arguments, subject: String
    ) async throws -> P.Success {
        let encoded = try encode(subject) { () throws(XDREncodingError) in try P.encode(arguments) }
        return try await patiently(subject) {
            let reply = try await call(
                procedure: P.number.rawValue, arguments: encoded, subject: subject)
            return try reply.results.withUnsafeBytes { try P.decode($0, subject: subject) }
        }
    }

    /// Makes a call again, later, as long as the server asks for that: NFS3ERR_JUKEBOX, RFC 1813 section 2.6.
    ///
    /// - Throws: what `body` throws; NFS3ERR_JUKEBOX after `timeo`, or where the mount is `hard` after `--timeout`.
    func patiently<R: Sendable>(_ subject: String, _ body: () async throws -> R) async throws -> R {
        var delay = 100
        var waited = 0
        while true {
            do {
                return try await body()
            } catch let error as NFSError where error.status == .jukebox {
                let limit = options.isHard ? options.outage.map { $0 * 1000 } : Double(options.timeout) * 100
                guard Double(waited + delay) <= limit ?? .infinity else { throw error }
                if !saidToWait.exchange(true, ordering: .relaxed) { notify("\(error); waiting") }
            }
            // The server has no way to say when it is ready.
            try await pause(seconds: Double(delay) / 1000)
            waited += delay
            delay = min(2 * delay, Self.longestDelay)
        }
    }

    /// Milliseconds.
    private static let longestDelay = 5000

    func encode<R>(_ subject: String, _ body: () throws(XDREncodingError) -> R) throws(TransferError) -> R {
        do throws(XDREncodingError) {
            return try body()
        } catch {
            throw TransferError(.local, "\(subject): \(error)")
        }
    }
}
