import Kernel
import TestSupport

/// How far several workers are, and whether they are to stop.
final class Progress: Sendable {
    private struct State {
        var counts: [String: Int] = [:]
        var stops = false
    }

    private let state = Condition(State())

    /// Runs `step` again and again on a thread of its own until ``stop()``, and once more after that.
    func work(_ name: String, _ step: @escaping @Sendable () throws -> Void) throws -> Running<Void> {
        state.withLock { $0.counts[name] = 0 }
        return try Running { [self] in
            var stops = false
            while true {
                try step()
                state.withLock(wake: true) {
                    $0.counts[name, default: 0] += 1
                    stops = $0.stops
                }
                if stops { return }
            }
        }
    }

    /// Waits until every worker has done so many steps more than at the time of the call.
    func advance(by steps: Int, seconds: Double = 120) throws {
        let wanted = state.withLock { $0.counts.mapValues { $0 + steps } }
        let done: Void? = state.wait(until: .after(seconds: seconds)) { state in
            state.counts.allSatisfy { $1 >= wanted[$0] ?? 0 } ? () : nil
        }
        guard done != nil else {
            throw Unexpected("no progress: \(state.withLock { $0.counts }), wanted \(wanted)")
        }
    }

    func stop() { state.withLock { $0.stops = true } }
}
