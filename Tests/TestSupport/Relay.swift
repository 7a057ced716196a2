import Glibc
import Kernel

/// Stands between clients and a server of this machine, and holds up one direction when so many bytes have gone through:
/// a transfer stays where it is until more are let through.
package final class Relay: Sendable {
    package enum Direction: Sendable { case toServer, toClient }

    private struct State {
        /// Bytes that may still go through the held direction.
        var allowed: Int
        /// Connections from this one on are not held up.
        var firstFree = Int.max
        var accepted = 0
        /// Connections before this one have been cut.
        var firstUncut = 0
        var ends: [SharedDescriptor] = []
        var isStopped = false
    }
    private let state: Condition<State>
    private let held: Direction
    private let server: UInt16
    private let listener: SharedDescriptor
    package let port: UInt16

    /// - Parameters:
    ///   - server: port of the server on 127.0.0.1.
    ///   - allowing: bytes that go through at first.
    package init(to server: UInt16, holding held: Direction, allowing: Int) throws {
        TestProcess.prepare()
        guard let address = try SocketAddress.resolve("127.0.0.1", port: 0).first else { throw Link.NoConnection() }
        listener = SharedDescriptor(try Socket.listen(on: address))
        port = try Socket.local(listener.raw).port
        state = Condition(State(allowed: allowing))
        self.held = held
        self.server = server
        try Thread.detached("relay") { [self] in accept() }
    }

    /// Lets through more.
    package func allow(_ bytes: Int) { state.withLock(wake: true) { $0.allowed += bytes } }

    /// Lets all bytes of connections through that are made from now on; those that are there stay as they are.
    package func letNewConnectionsThrough() { state.withLock { $0.firstFree = $0.accepted } }

    /// Ends the connections that are there.
    package func cut() {
        let ends = state.withLock(wake: true) { state in
            state.firstUncut = state.accepted
            defer { state.ends = [] }
            return state.ends
        }
        for end in ends { Socket.shutdown(end.raw) }
    }

    package func stop() {
        state.withLock(wake: true) { $0.isStopped = true }
        Socket.shutdown(listener.raw)
    }

    private func accept() {
        while (try? Poll.wait(listener.raw, for: Poll.readable, until: .never)) != nil {
            guard let accepted = try? Socket.accept(listener.raw) else {
                if state.withLock({ $0.isStopped }) { return }
                continue
            }
            let client = SharedDescriptor(Descriptor(takingOwnershipOf: accepted.release()))
            guard let address = try? SocketAddress.resolve("127.0.0.1", port: server).first,
                let connected = try? Socket.connect(to: address, until: .after(seconds: 5))
            else { continue }
            let peer = SharedDescriptor(connected)
            try? Socket.setNoDelay(client.raw)
            try? Socket.setNoDelay(peer.raw)
            let number = state.withLock { state in
                defer { state.accepted += 1 }
                state.ends += [client, peer]
                return state.accepted
            }
            try? Thread.detached("relay-up") { [self] in
                pump(client, peer, number, isHeld: held == .toServer)
            }
            try? Thread.detached("relay-down") { [self] in
                pump(peer, client, number, isHeld: held == .toClient)
            }
        }
    }

    private func pump(_ from: SharedDescriptor, _ to: SharedDescriptor, _ number: Int, isHeld: Bool) {
        defer {
            Socket.shutdown(from.raw)
            Socket.shutdown(to.raw)
        }
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            var room = buffer.count
            if isHeld {
                let granted = state.wait { state -> Int? in
                    if state.isStopped || number < state.firstUncut { return 0 }
                    if number >= state.firstFree { return buffer.count }
                    return state.allowed > 0 ? min(buffer.count, state.allowed) : nil
                }
                room = granted ?? 0
            }
            guard room > 0, let count = receive(from.raw, &buffer, room), count > 0 else { return }
            if isHeld { state.withLock { $0.allowed -= count } }
            guard (try? sendAll(Array(buffer.prefix(count)), on: to.raw)) != nil else { return }
        }
    }

    private func receive(_ socket: Int32, _ buffer: inout [UInt8], _ limit: Int) -> Int? {
        while true {
            guard (try? Poll.wait(socket, for: Poll.readable, until: .never)) != nil else { return nil }
            let count = recv(socket, &buffer, limit, 0)
            if count < 0 && (errno == EAGAIN || errno == EINTR) { continue }
            return count
        }
    }
}
