import Glibc

/// A point in time on the monotonic clock, by which something must have happened.
package struct Deadline: Sendable, Comparable {
    /// Nanoseconds of CLOCK_MONOTONIC; `UInt64.max` never comes.
    package let nanoseconds: UInt64

    package static let never = Deadline(nanoseconds: .max)

    private init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

    /// Nanoseconds of CLOCK_MONOTONIC now.
    package static var clock: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    /// `seconds` from now; negative is now.
    package static func after(seconds: Double) -> Deadline {
        let clock = Deadline.clock
        let span = UInt64(exactly: (max(0, seconds) * 1e9).rounded()) ?? .max
        let (sum, overflow) = clock.addingReportingOverflow(span)
        return Deadline(nanoseconds: overflow ? .max : sum)
    }

    package var hasPassed: Bool { nanoseconds != .max && Deadline.clock >= nanoseconds }

    /// What poll(2) takes: milliseconds left, rounded up, or -1 for ever.
    package var pollTimeout: Int32 {
        if nanoseconds == .max { return -1 }
        let now = Deadline.clock
        return now >= nanoseconds ? 0 : Int32(clamping: (nanoseconds - now + 999_999) / 1_000_000)
    }

    package static func < (a: Deadline, b: Deadline) -> Bool { a.nanoseconds < b.nanoseconds }
}
