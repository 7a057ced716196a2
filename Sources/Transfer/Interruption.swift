import Kernel
import RPC
import Synchronization

/// What happens to a session's calls when somebody wants to leave: those that only move or ask are given up at once, those
/// that take back what was begun have a few seconds more.
final class Interruption: Sendable {
    /// Seconds that cleaning up may take.
    static let grace = 5.0

    private struct State {
        var phase = Phase.none
        var waits: [Int: @Sendable () -> Void] = [:]
        var next = 0
    }

    enum Phase: Sendable, Comparable { case none, cleaning, over }

    private let state = Mutex(State())

    var phase: Phase { state.withLock { $0.phase } }

    /// Begins a phase: whoever waits in ``race(_:)`` is let go.
    ///
    /// - Returns: false where it, or a later one, had begun already.
    func begin(_ phase: Phase) -> Bool {
        let waits = state.withLock { state -> [@Sendable () -> Void]? in
            guard state.phase < phase else { return nil }
            state.phase = phase
            defer { state.waits.removeAll() }
            return Array(state.waits.values)
        }
        guard let waits else { return false }
        for end in waits { end() }
        return true
    }

    /// Waits for what `start` begins, or until the next phase does.
    ///
    /// - Parameters:
    ///   - start: calls its argument with the outcome, once, on any thread.
    ///   - late: gets an outcome that nobody waits for any more.
    func race<R: Sendable>(
        _ start: (@escaping @Sendable (Result<R, TransferError>) -> Void) -> Void,
        late: @escaping @Sendable (R) -> Void
    ) async throws(TransferError) -> R {
        let result = await withCheckedContinuation {
            (continuation: CheckedContinuation<Result<R, TransferError>, Never>) in
            let once = Once(continuation)
            let number = state.withLock { state -> Int? in
                guard state.phase != .over else { return nil }
                state.next += 1
                state.waits[state.next] = { once.resume(.failure(Self.error)) }
                return state.next
            }
            guard let number else {
                once.resume(.failure(Self.error))
                return
            }
            start { [self] result in
                _ = state.withLock { $0.waits.removeValue(forKey: number) }
                if !once.resume(result), case .success(let value) = result { late(value) }
            }
        }
        return try result.get()
    }

    static let error = TransferError(.connection, "interrupted")

    private final class Once<R: Sendable>: Sendable {
        private let waiting: Mutex<CheckedContinuation<Result<R, TransferError>, Never>?>

        init(_ continuation: CheckedContinuation<Result<R, TransferError>, Never>) { waiting = Mutex(continuation) }

        /// - Returns: false where it was resumed before.
        @discardableResult
        func resume(_ result: Result<R, TransferError>) -> Bool {
            let continuation = waiting.withLock { waiting in
                defer { waiting = nil }
                return waiting
            }
            continuation?.resume(returning: result)
            return continuation != nil
        }
    }
}
