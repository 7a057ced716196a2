import Glibc
import Kernel

/// A TCP relay on loopback that counts what crosses it: clients connect to ``port``.
package final class CountingRelay: Sendable {
    package struct Count: Sendable, Equatable {
        /// Bytes from the clients to the server, and back.
        package var up = 0
        package var down = 0
        package var connections = 0
    }

    package var port: UInt16 { entrance.port }
    private let entrance: RelayEntrance
    private let counts = Condition(Count())

    /// - Parameter target: the server's port, on loopback.
    package init(to target: UInt16) throws {
        let counts = counts
        entrance = try RelayEntrance(to: target) { client, server in
            counts.withLock { $0.connections += 1 }
            for (from, to, direction) in [(client, server, \Count.up), (server, client, \Count.down)]
                as [(SharedDescriptor, SharedDescriptor, WritableKeyPath<Count, Int> & Sendable)]
            {
                try? Thread.detached("relay") {
                    Self.pump(from, to) { bytes in
                        counts.withLock(wake: true) { $0[keyPath: direction] += bytes.count }
                    }
                }
            }
        }
    }

    /// What has crossed since the last ``reset()``.
    package var count: Count { counts.withLock { $0 } }

    package func reset() { counts.withLock { $0 = Count() } }

    /// Waits until so much has crossed.
    ///
    /// - Returns: whether it has.
    package func wait(seconds: Double = 60, for isReached: (Count) -> Bool) -> Bool {
        counts.wait(until: .after(seconds: seconds)) { isReached($0) ? true : nil } ?? false
    }

    /// Sends on what comes until it ends.
    ///
    /// - Parameter seen: gets the bytes before they are sent on.
    static func pump(
        _ from: SharedDescriptor, _ to: SharedDescriptor, _ seen: (UnsafeRawBufferPointer) -> Void
    ) {
        setBlocking(from)
        setBlocking(to)
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = recv(from.raw, &buffer, buffer.count, 0)
            if count < 0 && errno == EINTR { continue }
            if count <= 0 { break }
            buffer.withUnsafeBytes { seen(UnsafeRawBufferPointer(rebasing: $0.prefix(count))) }
            var sent = 0
            while sent < count {
                let more = buffer.withUnsafeBytes {
                    send(to.raw, $0.baseAddress.map { $0 + sent }, count - sent, Int32(MSG_NOSIGNAL))
                }
                if more < 0 && errno == EINTR { continue }
                guard more > 0 else { break }
                sent += more
            }
            if sent < count { break }
        }
        // The end goes on in both directions: nobody writes to a peer that is gone.
        shutdown(from.raw, Int32(SHUT_RD))
        shutdown(to.raw, Int32(SHUT_WR))
    }
}
