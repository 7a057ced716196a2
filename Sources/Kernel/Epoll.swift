import CLinux
import Glibc
import SystemPackage

/// epoll(7): descriptors waiting to be ready, one shot each.
package final class Epoll: Sendable {
    private let descriptor: Descriptor

    package init() throws(SystemError) {
        descriptor = Descriptor(
            takingOwnershipOf: try systemCall("epoll_create1") { epoll_create1(Int32(EPOLL_CLOEXEC)) })
    }

    /// What became ready: the token it was added with, and the events.
    package struct Event {
        package let token: UInt64
        package let events: UInt32
    }

    package static let readable = EPOLLIN.rawValue
    package static let writable = EPOLLOUT.rawValue
    package static let failed = EPOLLERR.rawValue | EPOLLHUP.rawValue
    package static let oneShot = EPOLLONESHOT.rawValue
    package static let peerClosed = EPOLLRDHUP.rawValue

    package func add(_ target: Int32, token: UInt64, events: UInt32) throws(SystemError) {
        try control(EPOLL_CTL_ADD, target, token, events)
    }

    /// Arms a one-shot descriptor again, or changes what it waits for.
    package func rearm(_ target: Int32, token: UInt64, events: UInt32) throws(SystemError) {
        try control(EPOLL_CTL_MOD, target, token, events)
    }

    package func remove(_ target: Int32) throws(SystemError) { try control(EPOLL_CTL_DEL, target, 0, 0) }

    private func control(_ operation: Int32, _ target: Int32, _ token: UInt64, _ events: UInt32) throws(SystemError) {
        var event = epoll_event()
        event.events = events
        event.data.u64 = token
        try systemCall("epoll_ctl") { epoll_ctl(descriptor.raw, operation, target, &event) }
    }

    /// The next descriptor that is ready; nil when `deadline` passed first. Several threads may wait: each event goes to one.
    package func wait(until deadline: Deadline = .never) throws(SystemError) -> Event? {
        var event = epoll_event()
        while true {
            let count = try systemCall("epoll_wait") { epoll_wait(descriptor.raw, &event, 1, deadline.pollTimeout) }
            if count > 0 { return Event(token: event.data.u64, events: event.events) }
            if deadline.hasPassed { return nil }
        }
    }
}
