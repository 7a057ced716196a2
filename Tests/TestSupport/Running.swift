import Kernel

/// Something that runs on a thread of its own, and what came of it.
package final class Running<R: Sendable>: Sendable {
    private let result = Condition<Result<R, any Error>?>(nil)

    package init(_ body: @escaping @Sendable () throws -> R) throws {
        let result = result
        try Kernel.Thread.detached("test") {
            let outcome = Result { try body() }
            result.withLock(wake: true) { $0 = outcome }
        }
    }

    /// Waits for it.
    ///
    /// - Throws: what it threw; ``TookTooLong`` after so many seconds.
    package func value(within seconds: Double = 60) throws -> R {
        guard let outcome = result.wait(until: .after(seconds: seconds), { $0 }) else {
            throw TookTooLong(seconds: seconds)
        }
        return try outcome.get()
    }

    package var isDone: Bool { result.withLock { $0 != nil } }
}

package struct TookTooLong: Error {
    package let seconds: Double
    package init(seconds: Double) { self.seconds = seconds }
}

/// Waits until `condition` holds, for what announces itself to nobody; looks again every millisecond.
///
/// - Returns: false where it did not within so many seconds.
package func eventually(within seconds: Double = 20, _ condition: () throws -> Bool) rethrows -> Bool {
    let deadline = Deadline.after(seconds: seconds)
    while !(try condition()) {
        if deadline.hasPassed { return false }
        nap()
    }
    return true
}
