/// Threads that run blocking work: as many as there is work for, up to a limit, and none for long without.
package final class ThreadPool: Sendable {
    private struct State {
        var work: [@Sendable () -> Void] = []
        var idle = 0
        var threads = 0
    }

    private let name: String
    private let maximum: Int
    private let backlog: Int
    private let state = Condition(State())
    /// Seconds a thread waits for more work before it ends.
    private let patience = 5.0
    /// Starts a thread; false where none can be had. Tests have their own.
    private let start: @Sendable (String, @escaping @Sendable () -> Void) -> Bool

    /// - Parameters:
    ///   - maximum: threads at most.
    ///   - backlog: pieces of work that may wait for a thread; more are refused.
    package init(
        _ name: String, maximum: Int, backlog: Int,
        start: @escaping @Sendable (String, @escaping @Sendable () -> Void) -> Bool = { name, body in
            (try? Thread.detached(name, body)) != nil
        }
    ) {
        self.name = name
        self.start = start
        self.maximum = maximum
        self.backlog = backlog
    }

    /// Has a thread run `body` soon.
    ///
    /// - Returns: false where the backlog is full or no thread could be had; `body` will not run then.
    package func submit(_ body: @escaping @Sendable () -> Void) -> Bool {
        // A thread is made under the lock, so that nobody counts on one that cannot be had: refused work is nobody else's.
        state.withLock(wake: true) { state in
            if state.idle <= state.work.count && state.threads < maximum {
                if start(name, { [self] in run() }) {
                    state.threads += 1
                    state.work.append(body)
                    return true
                }
                // Those that there are do it in their turn; with none, nobody would.
                guard state.threads > 0 else { return false }
            }
            guard state.work.count < max(backlog, state.idle) else { return false }
            state.work.append(body)
            return true
        }
    }

    private func run() {
        while true {
            state.withLock { $0.idle += 1 }
            let work = state.wait(until: .after(seconds: patience)) { state -> (@Sendable () -> Void)? in
                guard !state.work.isEmpty else { return nil }
                // Together with taking the work: nobody's work may wait for a thread that is about to block.
                state.idle -= 1
                return state.work.removeFirst()
            }
            if let work {
                work()
                continue
            }
            let finished = state.withLock { state -> Bool in
                state.idle -= 1
                // Work may have come between the wait's end and here, counting on this thread.
                guard state.work.isEmpty else { return false }
                state.threads -= 1
                return true
            }
            if finished { return }
        }
    }
}
