import Glibc
import Kernel

/// A long path to a server of this machine: a TCP relay on loopback that hands on all bytes as they came, each a fixed time
/// later, and as many at once as come. Clients connect to ``port``.
///
/// What is on the way is kept in memory, up to ``capacity`` in each direction of a connection. TCP itself sees no delay: its
/// windows and connecting are those of loopback.
package final class DelayRelay: Sendable {
    package var port: UInt16 { entrance.port }
    private let entrance: RelayEntrance
    private let order: Condition<Order>

    private struct Order {
        var turns = 0
        var wasServer = false
    }

    /// How often clients sent something after the server had: the round trips of one client, whose calls that go together
    /// are together here.
    package var turns: Int { order.withLock { $0.turns } }

    /// Bytes that may be on the way in one direction of a connection.
    package static let capacity = 256 << 20

    /// - Parameters:
    ///   - target: the server's port, on loopback.
    ///   - roundTrip: seconds that a byte and its answer take longer than without the relay.
    package init(to target: UInt16, roundTrip: Double) throws {
        let order = Condition(Order())
        self.order = order
        entrance = try RelayEntrance(to: target) { client, server in
            for end in [client, server] {
                try? Socket.setNoDelay(end.raw)
                setBlocking(end)
            }
            DelayedDirection(client, server, delay: roundTrip / 2) {
                order.withLock { order in
                    if order.wasServer { order.turns += 1 }
                    order.wasServer = false
                }
            }.start()
            DelayedDirection(server, client, delay: roundTrip / 2) {
                order.withLock { $0.wasServer = true }
            }.start()
        }
    }
}

/// One thread takes bytes from `from` and notes when they are due, another one sends them to `to` when they are.
private final class DelayedDirection: Sendable {
    private struct Chunk {
        let block: Block
        /// Bytes in it; 0: the stream's end.
        let count: Int
        let due: Deadline
    }

    private struct State {
        /// From `head` on: what is on the way.
        var chunks: [Chunk] = []
        var head = 0
        var bytes = 0
        /// Blocks to be used again.
        var spare: [Block] = []
        var isOver = false
    }

    private let from: SharedDescriptor
    private let to: SharedDescriptor
    private let delay: Double
    private let state = Condition(State())
    private let seen: @Sendable () -> Void

    /// - Parameter seen: told whenever bytes have come.
    init(_ from: SharedDescriptor, _ to: SharedDescriptor, delay: Double, _ seen: @escaping @Sendable () -> Void) {
        (self.from, self.to, self.delay, self.seen) = (from, to, delay, seen)
    }

    func start() {
        try? Thread.detached("relay-in") { [self] in receive() }
        try? Thread.detached("relay-out") { [self] in send() }
    }

    private func receive() {
        while true {
            let free = state.wait { state -> Block?? in
                if state.isOver { return .some(nil) }
                guard state.bytes < DelayRelay.capacity else { return nil }
                return .some(state.spare.popLast() ?? Block())
            }
            guard let free, let block = free else { return }
            let count = recv(from.raw, block.bytes.baseAddress, block.bytes.count, 0)
            if count < 0 && errno == EINTR { continue }
            if count > 0 { seen() }
            let chunk = Chunk(block: block, count: max(0, count), due: .after(seconds: delay))
            state.withLock(wake: true) { state in
                state.chunks.append(chunk)
                state.bytes += chunk.count
            }
            if count <= 0 { return }
        }
    }

    private func send() {
        while let chunk = state.wait({ $0.head < $0.chunks.count ? $0.chunks[$0.head] : nil }) {
            // Nobody wakes it: what comes later is due later.
            while !chunk.due.hasPassed { pause(until: chunk.due) }
            if chunk.count == 0 { break }
            if !sendAll(chunk) {
                // The receiver has gone: so has everything that is for it.
                shutdown(from.raw, Int32(SHUT_RD))
                break
            }
            state.withLock(wake: true) { state in
                state.head += 1
                state.bytes -= chunk.count
                state.spare.append(chunk.block)
                if state.head == 4096 {
                    state.chunks.removeFirst(state.head)
                    state.head = 0
                }
            }
        }
        shutdown(to.raw, Int32(SHUT_WR))
        state.withLock(wake: true) { $0.isOver = true }
    }

    private func pause(until due: Deadline) {
        var time = timespec(
            tv_sec: Int(due.nanoseconds / 1_000_000_000), tv_nsec: Int(due.nanoseconds % 1_000_000_000))
        _ = clock_nanosleep(CLOCK_MONOTONIC, Int32(TIMER_ABSTIME), &time, nil)
    }

    private func sendAll(_ chunk: Chunk) -> Bool {
        var done = 0
        while done < chunk.count {
            let count = Glibc.send(
                to.raw, chunk.block.bytes.baseAddress.map { $0 + done }, chunk.count - done, Int32(MSG_NOSIGNAL))
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { return false }
            done += count
        }
        return true
    }

    private final class Block: @unchecked Sendable {
        // Unchecked: it belongs to whichever thread took it from the queue.
        let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 4096)
        deinit { bytes.deallocate() }
    }
}
