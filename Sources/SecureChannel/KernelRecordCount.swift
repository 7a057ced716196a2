import Kernel

/// How many records the kernel has made or opened under one key.
///
/// It is asked for the number only when that may have reached the limit, by what went through the calls: so it costs nothing,
/// however the kernel cuts bytes into records.
struct KernelRecordCount {
    private let socket: SharedDescriptor
    private let direction: RekeyDirection
    /// When it was asked last.
    private var known: UInt64 = 0
    /// At most so many since.
    private var since: UInt64 = 0

    /// Bytes of the shortest record that the kernel makes of many bytes, where its memory is short: a page. A peer that makes
    /// shorter ones is met later; how far its key goes is for it to see to.
    private static let shortest: UInt64 = 4096

    init(_ socket: SharedDescriptor, _ direction: RekeyDirection) {
        self.socket = socket
        self.direction = direction
    }

    /// A call has moved so many bytes.
    mutating func moved(_ bytes: Int) { since &+= UInt64(truncatingIfNeeded: bytes) / Self.shortest &+ 2 }

    /// A new key is in use.
    mutating func begin() { (known, since) = (0, 0) }

    /// The number: an upper bound below `limit`, and from there on what the kernel says.
    mutating func records(limit: UInt64) -> UInt64 {
        if known &+ since >= limit, let told = try? KernelTLS.records(socket.raw, direction) {
            (known, since) = (told, 0)
        }
        return known &+ since
    }
}
