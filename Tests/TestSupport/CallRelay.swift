import Glibc
import Kernel

/// A TCP relay on loopback that counts the calls that cross it to a server without TLS: clients connect to ``port``.
package final class CallRelay: Sendable {
    package struct Procedure: Hashable, Sendable {
        package let program: UInt32
        package let number: UInt32

        package init(_ program: UInt32, _ number: UInt32) {
            self.program = program
            self.number = number
        }
    }

    package var port: UInt16 { entrance.port }
    private let entrance: RelayEntrance
    private let counts = Condition([Procedure: Int]())

    /// - Parameters:
    ///   - target: the server's port, on loopback.
    ///   - begun: told of each call before the server gets the bytes that it was found in; `count` is how many of its
    ///     procedure there were, from 1 on.
    package init(
        to target: UInt16, begun: @escaping @Sendable (Procedure, _ count: Int) -> Void = { _, _ in }
    ) throws {
        let counts = counts
        entrance = try RelayEntrance(to: target) { client, server in
            try? Thread.detached("relay") {
                var finder = CallFinder()
                CountingRelay.pump(client, server) { bytes in
                    finder.take(bytes) { procedure in
                        let count = counts.withLock { counts in
                            counts[procedure, default: 0] += 1
                            return counts[procedure] ?? 0
                        }
                        begun(procedure, count)
                    }
                }
            }
            try? Thread.detached("relay") { CountingRelay.pump(server, client) { _ in } }
        }
    }

    /// How many calls of a procedure have crossed since the last ``reset()``.
    package func count(_ procedure: Procedure) -> Int { counts.withLock { $0[procedure] ?? 0 } }

    package func reset() { counts.withLock { $0 = [:] } }
}

/// Finds calls in a stream of records: RFC 5531 sections 9 and 11.
private struct CallFinder {
    /// Bytes of the record mark, and then of the header, that have come so far.
    private var pending: [UInt8] = []
    /// Bytes of the fragment that are still to come; nil: a record mark is.
    private var left: Int?
    private var isLast = true
    private var isFirst = true
    /// xid, message type, version of RPC, program, version, procedure.
    private static let headLength = 24

    mutating func take(_ bytes: UnsafeRawBufferPointer, _ found: (CallRelay.Procedure) -> Void) {
        var position = 0
        while position < bytes.count {
            let wanted = left.map { isFirst ? min(Self.headLength, $0 + pending.count) : 0 } ?? 4
            if pending.count < wanted {
                pending.append(bytes[position])
                position += 1
                if left != nil { left? -= 1 }
                guard pending.count == wanted else { continue }
                if left != nil {
                    if wanted == Self.headLength { found(CallRelay.Procedure(word(12), word(20))) }
                    isFirst = false
                } else {
                    left = Int(word(0) & 0x7fff_ffff)
                    isLast = word(0) >> 31 == 1
                }
                pending = []
            } else {
                let skipped = min(left ?? 0, bytes.count - position)
                position += skipped
                left? -= skipped
            }
            if left == 0 { (left, isFirst) = (nil, isLast) }
        }
    }

    private func word(_ offset: Int) -> UInt32 { pending[offset..<offset + 4].reduce(0) { $0 << 8 | UInt32($1) } }
}
