import CLinux
import Glibc
package import Kernel
package import Logging
package import SecureChannel
import Synchronization
import SystemPackage

/// What a server does and refuses.
package struct ServerPolicy: Sendable {
    /// Programs that are answered in cleartext; of the others NULL is, and the probe of RFC 9289.
    package var cleartextPrograms: Set<UInt32> = []
    /// Connections at once; further ones are closed at once.
    package var maximumConnections = 4096
    /// Seconds a connection may stay in cleartext without asking for TLS; calls that are answered in cleartext are made in
    /// that time.
    package var secondsUntilSecured = 30.0
    /// Bytes of replies that may wait for a peer that does not read them, before nothing more is read from it.
    package var maximumBacklog = 32 << 20
    /// Replies that may wait for such a peer.
    package var maximumReplies = 256

    package init() {}
}

/// Does the server's side of a handshake, on a thread that may block.
package protocol ConnectionSecurer: Sendable {
    /// - Parameter socket: where the next byte from the peer is the first of its ClientHello.
    /// - Throws: an error whose description is the reason.
    func secure(_ socket: SharedDescriptor, peerAddress: String) throws -> (Channel, Peer.Protection)
}

/// An RPC server over TCP: many connections, few threads.
///
/// A connection without work is an entry in two epoll instances and nothing else. When it is readable, one of the input
/// threads takes it, handles the calls that are there and gives it back; replies that the socket does not take at once are
/// left to the output threads. So both directions of a connection move at once, and neither waits for the other.
package final class Server: Sendable {
    let programs: [UInt32: any Program]
    let policy: ServerPolicy
    let securer: any ConnectionSecurer
    let log: Logger
    let input: Epoll
    let output: Epoll
    private let handshakes = ThreadPool("handshake", maximum: 1024, backlog: 4096)
    private let listeners: [SharedDescriptor]
    private let stopping: EventDescriptor
    private let connections = Mutex<Table>(Table())
    private let threads = Mutex<[Thread]>([])

    private struct Table {
        var open: [UInt64: ServerConnection] = [:]
        var next: UInt64 = 2
    }

    /// The tokens of epoll events that are no connection's.
    private static let stopToken: UInt64 = 0
    private static let listenerToken: UInt64 = 1

    /// - Parameter listeners: listening, non-blocking sockets.
    package init(
        listeners: [SharedDescriptor], programs: [any Program], policy: ServerPolicy, securer: any ConnectionSecurer,
        log: Logger
    ) throws(SystemError) {
        self.programs = Dictionary(programs.map { ($0.number, $0) }, uniquingKeysWith: { first, _ in first })
        self.policy = policy
        self.securer = securer
        self.log = log
        self.listeners = listeners
        input = try Epoll()
        output = try Epoll()
        stopping = try EventDescriptor()
        try input.add(stopping.raw, token: Self.stopToken, events: Epoll.readable)
        try output.add(stopping.raw, token: Self.stopToken, events: Epoll.readable)
    }

    /// Starts the threads.
    ///
    /// - Parameter workers: threads for each direction, at least one.
    package func start(workers: Int) throws(SystemError) {
        for index in 0..<max(1, workers) {
            let reader = try Thread("rpc-in-\(index)") { [self] in loop(input) { $0.readable() } }
            let writer = try Thread("rpc-out-\(index)") { [self] in loop(output) { $0.writable() } }
            threads.withLock { $0 += [reader, writer] }
        }
        for listener in listeners {
            let acceptor = try Thread("rpc-accept") { [self] in accept(listener) }
            threads.withLock { $0.append(acceptor) }
        }
    }

    /// Ends every connection and waits for the threads. Calls in work are finished; their replies may be lost.
    package func stop() {
        stopping.signal()
        let running = threads.withLock { threads in
            defer { threads.removeAll() }
            return threads
        }
        for thread in running { thread.join() }
        let left = connections.withLock { table in
            defer { table.open.removeAll() }
            return Array(table.open.values)
        }
        for connection in left { connection.close(nil) }
    }

    /// Connections that are open.
    package var connectionCount: Int { connections.withLock { $0.open.count } }

    private func loop(_ epoll: Epoll, _ body: (ServerConnection) -> Void) {
        while true {
            do {
                guard let event = try epoll.wait() else { continue }
                if event.token == Self.stopToken { return }
                if let connection = connections.withLock({ $0.open[event.token] }) { body(connection) }
            } catch {
                log.critical("waiting for connections failed", metadata: ["reason": "\(error)"])
                return
            }
        }
    }

    private func accept(_ listener: SharedDescriptor) {
        do {
            let waiting = try Epoll()
            try waiting.add(stopping.raw, token: Self.stopToken, events: Epoll.readable)
            try waiting.add(listener.raw, token: Self.listenerToken, events: Epoll.readable)
            while true {
                let event = try waiting.wait(until: .after(seconds: 5))
                if event?.token == Self.stopToken { return }
                closeUnsecured()
                guard event != nil else { continue }
                do {
                    while let socket = try Socket.accept(listener.raw) { add(SharedDescriptor(socket)) }
                } catch {
                    // Out of descriptors or memory: the connection waits in the backlog until some are free again.
                    log.error("cannot accept a connection", metadata: ["reason": "\(error)"])
                    _ = try Poll.wait(stopping.raw, for: Poll.readable, until: .after(seconds: 0.1))
                }
            }
        } catch {
            log.critical("accepting connections failed", metadata: ["reason": "\(error)"])
        }
    }

    private func add(_ socket: SharedDescriptor) {
        let peer = (try? Socket.peer(socket.raw)).map { "\($0)" } ?? "unknown"
        try? Socket.setNoDelay(socket.raw)
        // A client whose machine or network is gone says nothing: without this its connection would stay for ever.
        try? Socket.setOption(socket.raw, SOL_SOCKET, SO_KEEPALIVE, 1)
        try? Socket.setOption(socket.raw, Int32(IPPROTO_TCP), TCP_KEEPIDLE, 120)
        try? Socket.setOption(socket.raw, Int32(IPPROTO_TCP), TCP_KEEPINTVL, 30)
        try? Socket.setOption(socket.raw, Int32(IPPROTO_TCP), TCP_KEEPCNT, 4)
        let added = connections.withLock { table -> ServerConnection? in
            guard table.open.count < policy.maximumConnections else { return nil }
            let token = table.next
            table.next += 1
            let connection = ServerConnection(socket, token: token, peerAddress: peer, server: self)
            table.open[token] = connection
            return connection
        }
        guard let added else {
            log.warning(
                "too many connections: one is closed",
                metadata: ["peer": "\(peer)", "limit": "\(policy.maximumConnections)"])
            return
        }
        added.start()
    }

    /// Closes what has been in cleartext for too long.
    private func closeUnsecured() {
        let late = connections.withLock { table in
            table.open.values.filter { $0.isUnsecured(after: policy.secondsUntilSecured) }
        }
        for connection in late { connection.close("no TLS within \(policy.secondsUntilSecured) s") }
    }

    func remove(_ token: UInt64) { connections.withLock { _ = $0.open.removeValue(forKey: token) } }

    /// - Returns: false where too many handshakes are under way.
    func handshake(_ body: @escaping @Sendable () -> Void) -> Bool { handshakes.submit(body) }
}
