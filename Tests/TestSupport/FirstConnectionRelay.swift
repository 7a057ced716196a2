import Glibc
import Kernel

/// A relay that serves its first connection; what comes on others is taken and never answered.
package final class FirstConnectionRelay: Sendable {
    private struct State {
        var hasFirst = false
        var unanswered = 0
        var ended = 0
    }

    package var port: UInt16 { entrance.port }
    private let entrance: RelayEntrance
    private let state: Condition<State>

    /// - Parameter target: the server's port, on loopback.
    package init(to target: UInt16) throws {
        let state = Condition(State())
        self.state = state
        entrance = try RelayEntrance(to: target) { client, server in
            for end in [client, server] { setBlocking(end) }
            let isFirst = state.withLock { state in
                defer { state.hasFirst = true }
                return !state.hasFirst
            }
            if isFirst {
                for (from, to) in [(client, server), (server, client)] {
                    try? Thread.detached("relay") { Self.pump(from, to) }
                }
            } else {
                try? Thread.detached("relay") {
                    Self.pump(client, nil) { state.withLock(wake: true) { $0.unanswered += 1 } }
                    state.withLock(wake: true) { $0.ended += 1 }
                }
            }
        }
    }

    /// Waits until a connection that is not answered has sent something.
    ///
    /// - Returns: whether one has.
    package func waitForUnanswered() -> Bool {
        state.wait(until: .after(seconds: 60)) { $0.unanswered > 0 ? true : nil } ?? false
    }

    /// Connections without an answer that the client has given up.
    package var givenUp: Int { state.withLock { $0.ended } }

    private static func pump(_ from: SharedDescriptor, _ to: SharedDescriptor?, _ begun: () -> Void = {}) {
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        var isFirst = true
        while true {
            let count = recv(from.raw, &buffer, buffer.count, 0)
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { break }
            if isFirst { begun() }
            isFirst = false
            guard let to else { continue }
            guard (try? sendAll(Array(buffer.prefix(count)), on: to.raw)) != nil else { break }
        }
        if let to { shutdown(to.raw, Int32(SHUT_WR)) }
    }
}
