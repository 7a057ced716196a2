import CLinux
import Glibc
package import Kernel
import SystemPackage

/// The events a daemon's main thread waits for: signals, and its parent's end where it was started as a child.
package struct StopSignals: ~Copyable {
    package enum Event { case stop, reload }

    private let signals: SignalDescriptor
    private let epoll: Epoll

    /// Made on the main thread before any other starts.
    ///
    /// - Parameter parent: a descriptor whose other end the parent holds open while it lives.
    package init(parent: Int32?) throws(SystemError) {
        SignalDescriptor.ignoreBrokenPipes()
        let epoll = try Epoll()
        let signals = try SignalDescriptor([SIGTERM, SIGINT, SIGHUP])
        try epoll.add(signals.raw, token: 0, events: Epoll.readable)
        if let parent { try epoll.add(parent, token: 1, events: Epoll.readable) }
        self.epoll = epoll
        self.signals = signals
    }

    /// Waits for the next one.
    package func next() throws(SystemError) -> Event {
        while true {
            guard let event = try epoll.wait() else { continue }
            // Whatever comes from the parent, it is its end: it never writes.
            if event.token == 1 { return .stop }
            return try signals.next() == SIGHUP ? .reload : .stop
        }
    }
}
