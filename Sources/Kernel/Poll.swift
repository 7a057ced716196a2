import CLinux
import Glibc
import SystemPackage

/// poll(2) on one descriptor.
package enum Poll {
    package static let readable = Int32(POLLIN)
    package static let writable = Int32(POLLOUT)

    /// Waits until `descriptor` is readable (POLLIN), writable (POLLOUT), or failed.
    ///
    /// - Returns: the events that came; empty when `deadline` passed first.
    package static func wait(_ descriptor: Int32, for events: Int32, until deadline: Deadline) throws(SystemError)
        -> Int32
    {
        var entry = pollfd(fd: descriptor, events: Int16(truncatingIfNeeded: events), revents: 0)
        while true {
            let count = try systemCall("poll") { poll(&entry, 1, deadline.pollTimeout) }
            if count > 0 { return Int32(entry.revents) }
            if deadline.hasPassed { return 0 }
        }
    }
}
