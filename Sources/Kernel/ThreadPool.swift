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

    /// - Parameters:
    ///   - maximum: threads at most.
    ///   - backlog: pieces of work that may wait for a thread; more are refused.
    package init(_ name: String, maximum: Int, backlog: Int) {
        self.name = name
        self.maximum = maximum
        self.backlog = backlog
    }

    /// Has a thread run `body` soon.
    ///
    /// - Returns: false where the backlog is full or no thread could be had; `body` will not run then.
    package func submit(_ body: @escaping @Sendable () -> Void) -> Bool {
        enum Plan { case queued, start, refused }
        let plan = state.withLock(wake: true) { state -> Plan in
            if state.idle > state.work.count {
                state.work.append(body)
                return .queued
            }
            if state.threads < maximum {
                state.threads += 1
                state.work.append(body)
                return .start
            }
            guard state.work.count < backlog else { return .refused }
            state.work.append(body)
            return .queued
        }
        guard plan == .start else { return plan == .queued }
        do {
            try Thread.detached(name) { [self] in run() }
            return true
        } catch {
            // The work stays for a thread that exists; with none, it is taken back and refused.
            return state.withLock { state in
                state.threads -= 1
                if state.threads > 0 { return true }
                state.work.removeLast()
                return false
            }
        }
    }

    private func run() {
        while true {
            state.withLock { $0.idle += 1 }
            let work = state.wait(until: .after(seconds: patience)) { state in
                state.work.isEmpty ? nil : state.work.removeFirst()
            }
            let finished = state.withLock { state -> Bool in
                state.idle -= 1
                // Work may have come between the wait's end and here, counting on this thread.
                guard work == nil, state.work.isEmpty else { return false }
                state.threads -= 1
                return true
            }
            if finished { return }
            work?()
        }
    }
}
