import Kernel
import Synchronization

/// A server that was reached and is lost: since when, what was said about it, and when to give up.
///
/// One line is said when it is lost and one when it is back, however many calls on however many connections meet it.
final class Outage: Sendable {
    private struct State {
        /// When the first call met it, on the monotonic clock in nanoseconds; nil: there is none.
        var since: UInt64?
        /// When the last one was over: a connection from before may still be found broken, which is no other outage.
        var over: UInt64 = 0
        /// Why it was given up.
        var end: String?
    }

    private let state = Mutex(State())
    /// Looked at after each reply, without the lock.
    private let isOn = Atomic<Bool>(false)
    private let host: String
    /// Seconds; nil: for ever.
    private let limit: Double?
    private let notify: @Sendable (String) -> Void

    /// - Parameter limit: seconds after which it is given up; nil: never.
    init(host: String, limit: Double?, notify: @escaping @Sendable (String) -> Void) {
        self.host = host
        self.limit = limit
        self.notify = notify
    }

    /// A call met it.
    ///
    /// - Parameter opened: when the connection that broke was made; nil: none could be made.
    func begin(_ reason: String, opened: UInt64?) {
        let isNew = state.withLock { state -> Bool in
            guard state.since == nil, opened.map({ $0 >= state.over }) ?? true else { return false }
            state.since = Deadline.clock
            isOn.store(true, ordering: .relaxed)
            return true
        }
        guard isNew else { return }
        let end = limit.map { "; giving up after \(Self.words($0))" } ?? ""
        notify("the connection to \(host) was lost (\(reason)); connecting again\(end)")
    }

    /// A call was answered.
    ///
    /// - Parameter opened: when its connection was made: a reply on one from before the loss says nothing.
    func end(opened: UInt64) {
        guard isOn.load(ordering: .relaxed) else { return }
        let isOver = state.withLock { state -> Bool in
            guard let since = state.since, opened >= since else { return false }
            state.since = nil
            state.end = nil
            state.over = Deadline.clock
            isOn.store(false, ordering: .relaxed)
            return true
        }
        if isOver { notify("connected to \(host) again") }
    }

    /// Seconds left to get the server back; nil: for ever, or there is no outage.
    var left: Double? {
        guard let limit, let since = state.withLock({ $0.since }) else { return nil }
        return limit - Double(Deadline.clock - since) / 1e9
    }

    /// A call gives up: those that come later fail at once, for this reason, unless another one has the server again.
    ///
    /// - Returns: the reason that was given first.
    func giveUp(_ reason: String) -> String {
        state.withLock { state in
            if state.end == nil { state.end = reason }
            return state.end ?? reason
        }
    }

    /// Why it was given up; nil: it was not.
    var reason: String? { isOn.load(ordering: .relaxed) ? state.withLock { $0.end } : nil }

    /// `90 s`, `10 min`
    static func words(_ seconds: Double) -> String {
        let whole = Int(min(seconds.rounded(), 1e15))
        return whole >= 120 && whole % 60 == 0 ? "\(whole / 60) min" : "\(whole) s"
    }
}
