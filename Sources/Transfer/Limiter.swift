import Synchronization

/// Lets so many tasks at once past a point; the others wait in order without a thread.
final class Limiter: Sendable {
    private struct Waiting {
        let places: Int
        let continuation: CheckedContinuation<Void, Never>
    }

    private struct State {
        var free: Int
        var waiting: [Waiting] = []
        var first = 0

        /// Those that have their places now.
        mutating func next() -> [CheckedContinuation<Void, Never>] {
            var next: [CheckedContinuation<Void, Never>] = []
            while first < waiting.count, waiting[first].places <= free {
                free -= waiting[first].places
                next.append(waiting[first].continuation)
                first += 1
            }
            if first == waiting.count {
                waiting.removeAll(keepingCapacity: true)
                first = 0
            } else if first > 1024 {
                // Where somebody always waits the list is never empty, and would grow with all who ever waited.
                waiting.removeFirst(first)
                first = 0
            }
            return next
        }
    }
    private let state: Mutex<State>

    init(_ count: Int) { state = Mutex(State(free: max(1, count))) }

    /// Tasks that wait.
    var waiting: Int { state.withLock { $0.waiting.count - $0.first } }

    /// - Parameter places: of the limiter's, which has to have as many.
    func acquire(_ places: Int = 1) async {
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            let now = state.withLock { state -> Bool in
                if state.waiting.isEmpty && state.free >= places {
                    state.free -= places
                    return true
                }
                state.waiting.append(Waiting(places: places, continuation: continuation))
                return false
            }
            if now { continuation.resume() }
        }
    }

    /// - Parameter places: as many as were acquired, or more where there are to be more.
    func release(_ places: Int = 1) {
        let next = state.withLock { state in
            state.free += places
            return state.next()
        }
        for one in next { one.resume() }
    }
}
