import CLinux
import Glibc
package import Kernel
package import Logging
package import SecureChannel
import Synchronization
import SystemPackage

/// What a server does and refuses.
package struct ServerPolicy: Sendable {
    /// Connections at once; further ones are closed at once.
    package var maximumConnections = 4096
    /// Seconds a connection may stay in cleartext without asking for TLS; calls that are answered in cleartext are made in
    /// that time.
    package var secondsUntilSecured = 30.0
    /// Bytes of replies that may wait for a peer that does not read them, before nothing more is read from it.
    package var maximumBacklog = 32 << 20
    /// Replies that may wait for such a peer.
    package var maximumReplies = 256
    /// Seconds that a connection which is over, but for what waits to be sent on it, is left to its peer to read that.
    package var secondsToEnd = 30.0
    /// Connections of one address without TLS at once; further ones are closed at once. An IPv6 network of 64 bits is one
    /// address here: whoever has one address of it has all.
    package var maximumUnsecuredPerAddress = 1024
    /// Handshakes of one address at once; further ones wait.
    package var handshakesPerAddress = 256

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
    let programs: ProgramTable
    let policy: ServerPolicy
    let securer: any ConnectionSecurer
    let log: Logger
    let input: Epoll
    let output: Epoll
    private let handshakes: HandshakeQueue
    private let listeners: [SharedDescriptor]
    private let stopping: EventDescriptor
    private let connections = Mutex<Table>(Table())
    private let threads = Mutex<[Thread]>([])

    private struct Table {
        var open: [UInt64: ServerConnection] = [:]
        var next: UInt64 = 2
        /// The addresses of the connections that are not secured, and how many of them each address has.
        var unsecured: [UInt64: String] = [:]
        var unsecuredCounts: [String: Int] = [:]

        mutating func add(_ token: UInt64, unsecuredFrom address: String) {
            unsecured[token] = address
            unsecuredCounts[address, default: 0] += 1
        }

        mutating func isUnsecuredNoMore(_ token: UInt64) {
            guard let address = unsecured.removeValue(forKey: token), let count = unsecuredCounts[address] else {
                return
            }
            unsecuredCounts[address] = count > 1 ? count - 1 : nil
        }
    }

    /// The tokens of epoll events that are no connection's.
    private static let stopToken: UInt64 = 0
    private static let listenerToken: UInt64 = 1

    /// - Parameters:
    ///   - listeners: listening, non-blocking sockets.
    ///   - programs: what is answered; several versions of a program are several.
    package init(
        listeners: [SharedDescriptor], programs: [any Program], policy: ServerPolicy, securer: any ConnectionSecurer,
        log: Logger
    ) throws(SystemError) {
        self.programs = ProgramTable(programs)
        handshakes = HandshakeQueue(perAddress: policy.handshakesPerAddress)
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
                closeLate()
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
        let address = try? Socket.peer(socket.raw)
        let peer = address.map { "\($0)" } ?? "unknown"
        let origin = address.map(Self.origin) ?? "unknown"
        try? Socket.setNoDelay(socket.raw)
        // A client whose machine or network is gone says nothing: without this its connection would stay for ever.
        try? Socket.setOption(socket.raw, SOL_SOCKET, SO_KEEPALIVE, 1)
        try? Socket.setOption(socket.raw, Int32(IPPROTO_TCP), TCP_KEEPIDLE, 120)
        try? Socket.setOption(socket.raw, Int32(IPPROTO_TCP), TCP_KEEPINTVL, 30)
        try? Socket.setOption(socket.raw, Int32(IPPROTO_TCP), TCP_KEEPCNT, 4)
        let added = connections.withLock { table -> Added in
            guard table.open.count < policy.maximumConnections else { return .tooMany }
            guard table.unsecuredCounts[origin, default: 0] < policy.maximumUnsecuredPerAddress else {
                return .tooManyUnsecured
            }
            let token = table.next
            table.next += 1
            let connection = ServerConnection(socket, token: token, peerAddress: peer, origin: origin, server: self)
            table.open[token] = connection
            table.add(token, unsecuredFrom: origin)
            return .connection(connection)
        }
        switch added {
        case .connection(let connection): connection.start()
        case .tooMany:
            log.warning(
                "too many connections: one is closed",
                metadata: ["peer": "\(peer)", "limit": "\(policy.maximumConnections)"])
        case .tooManyUnsecured:
            log.warning(
                "too many connections without TLS from one address: one is closed",
                metadata: ["peer": "\(peer)", "limit": "\(policy.maximumUnsecuredPerAddress)"])
        }
    }

    private enum Added {
        case connection(ServerConnection)
        case tooMany
        case tooManyUnsecured
    }

    /// Whom a connection's use of threads and of the time before TLS counts for: the IPv4 address, or the IPv6 network.
    static func origin(of address: SocketAddress) -> String {
        guard address.family == AF_INET6 else { return address.host ?? "local" }
        return address.withPointer { pointer, _ in
            pointer.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { pointer in
                withUnsafeBytes(of: pointer.pointee.sin6_addr) { bytes in
                    // An IPv4 client of a socket for both, ::ffff:192.0.2.1, has its address in the last four bytes.
                    let isMapped = bytes.prefix(10).allSatisfy { $0 == 0 } && bytes[10] == 255 && bytes[11] == 255
                    return (isMapped ? bytes.suffix(4) : bytes.prefix(8)).map { String($0) }.joined(separator: ".")
                }
            }
        }
    }

    /// Closes what has been in cleartext for too long, and what is over and whose last bytes nobody reads.
    private func closeLate() {
        let open = connections.withLock { Array($0.open.values) }
        for connection in open {
            if connection.isUnsecured(after: policy.secondsUntilSecured) {
                connection.close("no TLS within \(policy.secondsUntilSecured) s")
            } else if connection.isEnding(after: policy.secondsToEnd) {
                connection.close(
                    connection.isLingering
                        ? nil : "it ended, and its last replies were not read within \(policy.secondsToEnd) s")
            }
        }
    }

    func remove(_ token: UInt64) {
        connections.withLock { table in
            table.open.removeValue(forKey: token)
            table.isUnsecuredNoMore(token)
        }
    }

    /// A connection has TLS now, and counts no more for its address.
    func isSecured(_ token: UInt64) { connections.withLock { $0.isUnsecuredNoMore(token) } }

    /// Has a handshake done on a thread of its own, when those of `origin` leave it one.
    func handshake(from origin: String, _ work: HandshakeQueue.Work) { handshakes.submit(from: origin, work) }
}
