import Kernel
import Synchronization

/// `--limit`: so many bytes a second, over everything that takes from it.
///
/// Who takes waits in line, the head of the line alone for time: each task gets its turn, and one that is cancelled
/// leaves the line with nothing taken. In any `t` seconds there pass no more than `rate * t` bytes, those of 50 ms,
/// and one taker's.
package final class TokenBucket: Sendable {
    /// What tells the time and waits for it.
    struct Clock: Sendable {
        /// Nanoseconds.
        let now: @Sendable () -> UInt64
        /// Waits until then.
        let sleep: @Sendable (_ until: UInt64) async throws(CancellationError) -> Void

        /// The monotonic one.
        static let system = Clock(now: { Deadline.clock }) { until throws(CancellationError) in
            let now = Deadline.clock
            guard until > now else { return }
            do {
                try await Task.sleep(for: .nanoseconds(Int64(clamping: until - now)))
            } catch {
                throw CancellationError()
            }
        }
    }

    private struct State {
        /// When all bytes that were taken will have been due: nanoseconds times ``rate``, so that no part of one is
        /// lost.
        var paid: UInt128
        var hasHead = false
        var nextTicket: UInt64 = 0
        var waiting: [Waiter] = []
        var first = 0
        var account = Account()
    }

    private struct Waiter {
        let ticket: UInt64
        let continuation: CheckedContinuation<Bool, Never>
    }

    /// What went through.
    package struct Account: Sendable, Equatable {
        package var bytes: UInt64 = 0
        /// How often somebody had to wait for time.
        package var waits = 0
    }

    /// Bytes a second, at least 1.
    package let rate: UInt64
    private let clock: Clock
    private let state: Mutex<State>

    /// Nanoseconds' worth of bytes that nobody took and that somebody still may.
    private static let burst: UInt64 = 50_000_000

    /// - Parameter rate: bytes a second; 0 counts as 1.
    package convenience init(rate: UInt64) { self.init(rate: rate, clock: .system) }

    init(rate: UInt64, clock: Clock) {
        self.rate = max(1, rate)
        self.clock = clock
        // It begins empty: the first second has no more bytes than the others.
        state = Mutex(State(paid: UInt128(clock.now()) * UInt128(self.rate)))
    }

    package var account: Account { state.withLock { $0.account } }

    /// How many wait behind the head of the line.
    var lineLength: Int { state.withLock { $0.waiting.count - $0.first } }

    /// Bytes that one call should move at most, so that calls are not seconds apart: what passes in 50 ms; a power of
    /// two, 16 KiB at least.
    package var piece: Int {
        var piece = 16 << 10
        while piece < 4 << 20, UInt64(piece) * 2 <= rate / 20 { piece *= 2 }
        return piece
    }

    /// Takes bytes that are about to be moved, when it is their time.
    ///
    /// - Throws: where the task is cancelled; then nothing is taken.
    package func take(_ bytes: Int) async throws(CancellationError) {
        guard bytes > 0, !takeAtOnce(bytes) else { return }
        guard await becomeHead() else { throw CancellationError() }
        defer { leaveHead() }
        if Task.isCancelled { throw CancellationError() }
        let now = clock.now()
        let due = state.withLock { (state: inout State) -> UInt64 in self.due(bytes, now, &state) }
        if due > now {
            state.withLock { $0.account.waits += 1 }
            try await clock.sleep(due)
        }
        // Who slept too long is not paid for it here, but the next one is: nothing of the rate is lost.
        state.withLock { (state: inout State) -> Void in charge(bytes, &state) }
    }

    /// Gives back what was taken and not moved.
    package func giveBack(_ bytes: Int) {
        guard bytes > 0 else { return }
        state.withLock { (state: inout State) in
            state.paid -= min(state.paid, cost(bytes))
            state.account.bytes -= min(state.account.bytes, UInt64(bytes))
        }
    }

    // MARK: Accounting

    /// Nanoseconds times ``rate``.
    private func cost(_ bytes: Int) -> UInt128 { UInt128(max(0, bytes)) * 1_000_000_000 }

    /// When so many bytes may be taken, in nanoseconds. Those of more than a burst may when a whole burst may.
    private func due(_ bytes: Int, _ now: UInt64, _ state: inout State) -> UInt64 {
        let rate = UInt128(rate)
        let burst = UInt128(Self.burst) * rate
        let now = UInt128(now) * rate
        state.paid = max(state.paid, now - min(now, burst))
        let due = state.paid + min(cost(bytes), burst)
        return UInt64(clamping: (due + rate - 1) / rate)
    }

    private func charge(_ bytes: Int, _ state: inout State) {
        state.paid += cost(bytes)
        state.account.bytes += UInt64(bytes)
    }

    private func takeAtOnce(_ bytes: Int) -> Bool {
        let now = clock.now()
        return state.withLock { (state: inout State) -> Bool in
            guard !state.hasHead, due(bytes, now, &state) <= now else { return false }
            charge(bytes, &state)
            return true
        }
    }

    // MARK: The line

    /// - Returns: false where the task was cancelled before its turn.
    private func becomeHead() async -> Bool {
        let ticket = state.withLock { (state: inout State) -> UInt64 in
            state.nextTicket += 1
            return state.nextTicket
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: CheckedContinuation<Bool, Never>) in
                let result = state.withLock { state -> Bool? in
                    // Within the lock: whoever cancels later finds the ticket in the line.
                    if Task.isCancelled { return false }
                    if !state.hasHead {
                        state.hasHead = true
                        return true
                    }
                    state.waiting.append(Waiter(ticket: ticket, continuation: continuation))
                    return nil
                }
                if let result { continuation.resume(returning: result) }
            }
        } onCancel: {
            let waiter = state.withLock { (state: inout State) -> Waiter? in
                guard let index = state.waiting[state.first...].firstIndex(where: { $0.ticket == ticket }) else {
                    return nil
                }
                return state.waiting.remove(at: index)
            }
            waiter?.continuation.resume(returning: false)
        }
    }

    private func leaveHead() {
        let next = state.withLock { state -> Waiter? in
            guard state.first < state.waiting.count else {
                state.waiting.removeAll(keepingCapacity: true)
                state.first = 0
                state.hasHead = false
                return nil
            }
            let next = state.waiting[state.first]
            state.first += 1
            if state.first > 1024 {
                // Where somebody always waits the line is never empty, and would grow with all who ever waited.
                state.waiting.removeFirst(state.first)
                state.first = 0
            }
            return next
        }
        next?.continuation.resume(returning: true)
    }
}
