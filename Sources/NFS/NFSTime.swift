import CProtocol

/// nfstime3: seconds and nanoseconds since 1970 (RFC 1813 section 2.6). Until 2106; nothing before 1970.
package struct NFSTime: Hashable, Sendable, Comparable {
    package var seconds: UInt32
    package var nanoseconds: UInt32

    package init(seconds: UInt32, nanoseconds: UInt32) {
        self.seconds = seconds
        self.nanoseconds = nanoseconds
    }

    /// Of the kernel's timespec: times out of range become the nearest one in range.
    package init(seconds: Int, nanoseconds: Int) {
        self.seconds = UInt32(clamping: seconds)
        self.nanoseconds = UInt32(clamping: nanoseconds)
    }

    init(_ wire: nfstime3) { self.init(seconds: wire.seconds, nanoseconds: wire.nseconds) }
    var wire: nfstime3 { nfstime3(seconds: seconds, nseconds: nanoseconds) }

    package static func < (a: NFSTime, b: NFSTime) -> Bool {
        (a.seconds, a.nanoseconds) < (b.seconds, b.nanoseconds)
    }
}
