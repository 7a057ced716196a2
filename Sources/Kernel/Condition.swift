import Glibc

/// A mutex with a condition variable around a value, for threads that wait for each other (pthread_cond_wait(3)).
package final class Condition<Value>: @unchecked Sendable {
    // Unchecked: `value` is touched only under `mutex`. Both are allocated, since pthreads keeps their addresses.
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let condition: UnsafeMutablePointer<pthread_cond_t>
    private var value: Value

    package init(_ value: sending Value) {
        self.value = value
        mutex = .allocate(capacity: 1)
        condition = .allocate(capacity: 1)
        mutex.initialize(to: pthread_mutex_t())
        condition.initialize(to: pthread_cond_t())
        pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(condition, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    /// Runs `body` with the value; threads in ``wait(until:_:)`` look again afterwards where `wake` is true.
    package func withLock<R>(wake: Bool = false, _ body: (inout Value) throws -> R) rethrows -> R {
        // Behind the lock: a thread that wakes while it is held only waits again, for the lock.
        defer { if wake { pthread_cond_broadcast(condition) } }
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return try body(&value)
    }

    /// Runs `body` with the value; where it returns true, one of the threads that wait looks again: where any of them will
    /// do, to wake all is work for nothing.
    package func withLockWakingOne(_ body: (inout Value) throws -> Bool) rethrows {
        pthread_mutex_lock(mutex)
        let wakes: Bool
        do {
            defer { pthread_mutex_unlock(mutex) }
            wakes = try body(&value)
        }
        if wakes { pthread_cond_signal(condition) }
    }

    /// Waits until `body` returns something, and returns that; nil when `deadline` passed first.
    package func wait<R>(until deadline: Deadline = .never, _ body: (inout Value) throws -> R?) rethrows -> R? {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while true {
            if let result = try body(&value) { return result }
            if deadline == .never {
                pthread_cond_wait(condition, mutex)
            } else {
                if deadline.hasPassed { return nil }
                var time = timespec(
                    tv_sec: Int(deadline.nanoseconds / 1_000_000_000),
                    tv_nsec: Int(deadline.nanoseconds % 1_000_000_000))
                pthread_cond_timedwait(condition, mutex, &time)
            }
        }
    }
}
