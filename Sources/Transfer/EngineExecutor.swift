package import Kernel

/// Runs the engine's tasks on threads of its own, since they make blocking file calls, which have no place on Swift's
/// cooperative pool.
package final class EngineExecutor: TaskExecutor {
    private struct State {
        var jobs: [UnownedJob] = []
        var next = 0
    }

    private let state = Condition(State())

    /// - Parameter threads: at least one.
    package init(threads: Int) throws(SystemError) {
        for index in 0..<max(1, threads) {
            try Thread.detached("engine-\(index)") { [self] in run() }
        }
    }

    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        state.withLockWakingOne { $0.jobs.append(job) }
    }

    private func run() {
        while true {
            let job = state.wait { state -> UnownedJob? in
                guard state.next < state.jobs.count else { return nil }
                let job = state.jobs[state.next]
                state.next += 1
                if state.next == state.jobs.count {
                    state.jobs.removeAll(keepingCapacity: true)
                    state.next = 0
                } else if state.next > 1024 {
                    state.jobs.removeFirst(state.next)
                    state.next = 0
                }
                return job
            }
            job?.runSynchronously(on: asUnownedTaskExecutor())
        }
    }
}
