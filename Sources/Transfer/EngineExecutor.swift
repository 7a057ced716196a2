import Glibc
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
        // What a job of this executor starts, its thread takes when that one suspends, which is sooner than another thread
        // would be awake.
        let isOwn = pthread_getspecific(Self.current) == mark
        state.withLockWakingOne { state in
            state.jobs.append(job)
            return !isOwn || state.jobs.count - state.next > 1
        }
    }

    /// Called by a job before it may keep its thread for long, as a file call does not: in a pipe that nobody reads, on a
    /// disk that is slow to say that all is written. What the job has started gets another thread.
    package static func mayBlock() {
        guard let mark = pthread_getspecific(current) else { return }
        Unmanaged<EngineExecutor>.fromOpaque(mark).takeUnretainedValue().state.withLockWakingOne {
            $0.next < $0.jobs.count
        }
    }

    private func run() {
        pthread_setspecific(Self.current, mark)
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

    /// What a thread of this executor is known by.
    private var mark: UnsafeMutableRawPointer { Unmanaged.passUnretained(self).toOpaque() }

    private static let current: pthread_key_t = {
        var key = pthread_key_t()
        // Fails only where the process has 1024 keys (PTHREAD_KEYS_MAX), and it makes a few: a mistake in the program.
        let error = pthread_key_create(&key, nil)
        precondition(error == 0, "no key for a thread's own data: \(error)")
        return key
    }()
}
