import Glibc
import Kernel

/// Stands between a client and a server in cleartext, and hands on the calls of the first connection (RFC 5531) in groups:
/// none of a group reaches the server before all of it have come. So a client that waits for the answer to one of them
/// before it makes another waits for ever.
package final class GatheringRelay: Sendable {
    /// A procedure of a program.
    package struct Call: Hashable, Sendable, CustomStringConvertible {
        package let program: UInt32
        package let procedure: UInt32
        package init(program: UInt32, procedure: UInt32) { (self.program, self.procedure) = (program, procedure) }
        package var description: String { "\(program).\(procedure)" }
    }

    private struct State {
        /// What has not all come yet, the group that is waited for first.
        var groups: [Set<Call>]
        var hasFirst = false
    }

    package var port: UInt16 { entrance.port }
    private let entrance: RelayEntrance
    private let state: Condition<State>

    /// - Parameters:
    ///   - target: the server's port, on loopback.
    ///   - groups: one after another; what comes behind the last of them is handed on as it comes.
    package init(to target: UInt16, _ groups: [Set<Call>]) throws {
        let state = Condition(State(groups: groups))
        self.state = state
        entrance = try RelayEntrance(to: target) { client, server in
            for end in [client, server] {
                try? Socket.setNoDelay(end.raw)
                setBlocking(end)
            }
            let isFirst = state.withLock { state in
                defer { state.hasFirst = true }
                return !state.hasFirst
            }
            try? Thread.detached("relay-up") {
                if isFirst { Self.gather(client, server, state) } else { Self.pump(client, server) }
                shutdown(server.raw, Int32(SHUT_WR))
            }
            try? Thread.detached("relay-down") {
                Self.pump(server, client)
                shutdown(client.raw, Int32(SHUT_RDWR))
            }
        }
    }

    /// Calls of the groups that have not come.
    package var missing: [Set<Call>] { state.withLock { $0.groups } }

    private static func gather(_ client: SharedDescriptor, _ server: SharedDescriptor, _ state: Condition<State>) {
        var held: [UInt8] = []
        while let mark = read(client, 4), let count = mark.withUnsafeBytes({ word($0, 0) }),
            let message = read(client, Int(count & 0x7fff_ffff))
        {
            held += mark + message
            let call = message.withUnsafeBytes { bytes -> Call? in
                guard let program = word(bytes, 12), let procedure = word(bytes, 20) else { return nil }
                return Call(program: program, procedure: procedure)
            }
            let isHeld = state.withLock { state -> Bool in
                guard let call, !state.groups.isEmpty else { return false }
                state.groups[0].remove(call)
                if !state.groups[0].isEmpty { return true }
                state.groups.removeFirst()
                return false
            }
            if isHeld { continue }
            guard (try? sendAll(held, on: server.raw)) != nil else { return }
            held = []
        }
    }

    /// Big-endian, as XDR has it.
    private static func word(_ bytes: UnsafeRawBufferPointer, _ offset: Int) -> UInt32? {
        guard offset + 4 <= bytes.count else { return nil }
        return UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }

    private static func read(_ socket: SharedDescriptor, _ count: Int) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: count)
        return recv(socket.raw, &bytes, count, Int32(MSG_WAITALL)) == count ? bytes : nil
    }

    private static func pump(_ from: SharedDescriptor, _ to: SharedDescriptor) {
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = recv(from.raw, &buffer, buffer.count, 0)
            if count < 0 && errno == EINTR { continue }
            guard count > 0, (try? sendAll(Array(buffer.prefix(count)), on: to.raw)) != nil else { return }
        }
    }
}
