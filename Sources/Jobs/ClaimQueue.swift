import Synchronization

/// Jobs that are to be done next; whoever wants one and finds none waits without a thread.
final class ClaimQueue<Element: Sendable>: Sendable {
    private struct State {
        var elements: [Element] = []
        var first = 0
        var waiting: [CheckedContinuation<Element?, Never>] = []
        var isClosed = false
    }
    private let state = Mutex(State())

    var count: Int { state.withLock { $0.elements.count - $0.first } }

    /// What is pushed after ``close()`` is dropped.
    func push(_ elements: [Element]) {
        let served = state.withLock { state -> [(CheckedContinuation<Element?, Never>, Element)] in
            if state.isClosed { return [] }
            let count = min(state.waiting.count, elements.count)
            let served = Array(zip(state.waiting.suffix(count), elements))
            state.waiting.removeLast(count)
            state.elements += elements.dropFirst(count)
            return served
        }
        for (continuation, element) in served { continuation.resume(returning: element) }
    }

    /// - Returns: nil after ``close()``.
    func next() async -> Element? {
        await withCheckedContinuation { continuation in
            let result = state.withLock { state -> Element?? in
                if state.isClosed { return .some(nil) }
                guard state.first < state.elements.count else {
                    state.waiting.append(continuation)
                    return nil
                }
                defer {
                    state.first += 1
                    if state.first == state.elements.count {
                        state.elements.removeAll(keepingCapacity: true)
                        state.first = 0
                    } else if state.first > 1024 {
                        state.elements.removeFirst(state.first)
                        state.first = 0
                    }
                }
                return state.elements[state.first]
            }
            if let result { continuation.resume(returning: result) }
        }
    }

    func close() {
        let waiting = state.withLock { state in
            state.isClosed = true
            state.elements = []
            state.first = 0
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in waiting { continuation.resume(returning: nil) }
    }
}
