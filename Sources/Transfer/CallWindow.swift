import Kernel
import Synchronization

/// READs and WRITEs in flight of a session: enough to fill the path, found from its round trip and from how fast bytes
/// come, and few enough that other calls need not wait long behind them.
final class CallWindow: Sendable {
    private struct State {
        var limit: Int
        var hasBegun = false
        /// Bytes a second of the last sample; 0: there was none yet.
        var rate = 0.0
        /// Of the shortest call so far, in nanoseconds; nil: none was measured.
        var roundTrip: UInt64?
        /// Since when the calls of the sample are counted; nil: there is none.
        var since: UInt64?
        var bytes = 0
        var calls = 0
    }

    private let state: Mutex<State>
    private let limiter: Limiter

    /// Calls that a path gets before it is known how fast it is, as many as this rate fills: bytes a second.
    private static let firstRate = 640e6
    private static let firstCalls = 64
    /// Bytes of a call that has one place in the window; a larger one has several.
    private static let usualCall = 1 << 20
    /// Seconds that a call's bytes may take where it is larger than usual: whoever looks sees them move on.
    private static let mostSeconds = 0.25
    /// Bytes after which the rate is looked at: more than the kernel keeps of a connection, which is read at once.
    private static let sample = 8 << 20
    /// Places, and bytes, in flight at most: a gigabyte a second over 125 ms, twice.
    static let mostCalls = 256
    private static let mostBytes = 256 << 20

    /// - Parameter least: places that are always there.
    init(least: Int) {
        state = Mutex(State(limit: least))
        limiter = Limiter(least)
    }

    /// Calls that may be in flight now, of usual size.
    var limit: Int { state.withLock { $0.limit } }

    /// Bytes of the next READ or WRITE: as usual until bytes come so fast that larger ones are not long on their way. A path
    /// that holds more than such a call stays with the usual ones: a call's places are free only when all of it is there.
    ///
    /// - Parameter most: what the server prefers. Each call costs processor time at both ends, whatever its size.
    func size(most: Int) -> Int {
        let (rate, roundTrip) = state.withLock { ($0.rate, Double($0.roundTrip ?? 0) / 1e9) }
        let isFast = rate * Self.mostSeconds >= Double(most) && rate * roundTrip <= Double(most)
        return isFast ? most : min(most, Self.usualCall)
    }

    private static func places(_ bytes: Int) -> Int { max(1, bytes / usualCall) }

    /// Calls that wait for a place.
    var waiting: Int { limiter.waiting }

    /// - Parameter bytes: of the call.
    func acquire(_ bytes: Int = 0) async {
        let calls = state.withLock { state -> Int in
            if state.hasBegun { return 0 }
            state.hasBegun = true
            guard let roundTrip = state.roundTrip else { return 0 }
            let wanted = Self.firstRate * Double(roundTrip) / 1e9 / Double(Self.usualCall)
            return Self.widen(&state, to: min(Self.firstCalls, Int(min(wanted, 1e6))))
        }
        limiter.release(calls)
        await limiter.acquire(Self.places(bytes))
    }

    func release(_ bytes: Int = 0) { limiter.release(Self.places(bytes)) }

    /// - Returns: places that are there from now on and were not before.
    private static func widen(_ state: inout State, to wanted: Int) -> Int {
        let more = max(0, wanted - state.limit)
        state.limit += more
        return more
    }

    /// A call without data was answered.
    ///
    /// - Parameter nanoseconds: how long that took.
    func answered(after nanoseconds: UInt64) {
        state.withLock { $0.roundTrip = min($0.roundTrip ?? .max, nanoseconds) }
    }

    /// A READ or WRITE was answered.
    ///
    /// - Parameters:
    ///   - bytes: that it moved.
    ///   - now: nanoseconds of the monotonic clock.
    func moved(_ bytes: Int, now: UInt64 = Deadline.clock) {
        let calls = state.withLock { state -> Int in
            guard let since = state.since, since < now else {
                if state.since == nil { state.since = now }
                return 0
            }
            state.bytes += bytes
            state.calls += 1
            guard state.bytes >= Self.sample else { return 0 }
            defer { (state.since, state.bytes, state.calls) = (now, 0, 0) }
            state.rate = Double(state.bytes) * 1e9 / Double(now - since)
            guard let roundTrip = state.roundTrip else { return 0 }
            // What is on the way at this rate, twice: a path that was not full shows a higher rate with more.
            let mean = Double(state.bytes) / Double(state.calls)
            let wanted = 2 * state.rate * Double(roundTrip) / 1e9
            let calls = min(wanted, Double(Self.mostBytes)) / min(mean, Double(Self.usualCall))
            return Self.widen(&state, to: min(Self.mostCalls, Int(calls.rounded(.up))))
        }
        limiter.release(calls)
    }
}
