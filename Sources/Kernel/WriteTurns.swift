import Glibc

/// Turns in writing to a file. The kernel lets one thread at a time write to a file, and has the others try again and again
/// until they may (the rwsem of an inode), on processors that somebody else has use for: here they sleep.
package enum WriteTurns {
    /// More than threads that write at once, so that two files seldom wait for each other.
    private static let count = 64
    /// Writes of fewer bytes are over before a thread would be asleep.
    private static let least = 64 << 10

    // Never changed, and never given back: other threads may write until the process has ended.
    private nonisolated(unsafe) static let locks: UnsafeMutablePointer<pthread_mutex_t> = {
        let locks = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: count)
        for index in 0..<count {
            (locks + index).initialize(to: pthread_mutex_t())
            pthread_mutex_init(locks + index, nil)
        }
        return locks
    }()

    /// Runs `body`, which writes at least `bytes` to a file, while no other thread writes as much by the same descriptor.
    ///
    /// - Parameter meanwhile: does something useful while it is another thread's turn, and is called until it returns false.
    @inline(__always)
    package static func take<R, E: Error>(
        _ file: Int32, _ bytes: Int, meanwhile: () -> Bool = { false }, _ body: () throws(E) -> R
    ) throws(E) -> R {
        guard bytes >= least else { return try body() }
        let lock = locks + Int(UInt32(bitPattern: file) % UInt32(count))
        while pthread_mutex_trylock(lock) != 0 {
            if meanwhile() { continue }
            pthread_mutex_lock(lock)
            break
        }
        defer { pthread_mutex_unlock(lock) }
        return try body()
    }
}
