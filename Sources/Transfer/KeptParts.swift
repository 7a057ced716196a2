import Synchronization

/// Unfinished copies that the next run can go on with.
package final class KeptParts: Sendable {
    package struct Count: Sendable, Equatable {
        package var files = 0
        /// Bytes of them that are there.
        package var bytes: UInt64 = 0

        package init() {}
    }

    private let state = Mutex(Count())

    package init() {}

    package var count: Count { state.withLock { $0 } }

    func add(bytes: UInt64) {
        state.withLock {
            $0.files += 1
            $0.bytes &+= bytes
        }
    }
}
