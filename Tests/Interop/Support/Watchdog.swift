import Kernel

/// Does something if it is not cancelled in time: a test whose thread waits in the kernel cannot help itself.
final class Watchdog: Sendable {
    private let cancelled = Condition(false)

    /// - Parameter seconds: how long it waits.
    init(_ seconds: Double, _ body: @escaping @Sendable () -> Void) throws {
        let cancelled = cancelled
        try Thread.detached("watchdog") {
            if cancelled.wait(until: .after(seconds: seconds), { $0 ? true : nil }) != nil { return }
            print("stopped after \(seconds) seconds")
            body()
        }
    }

    func cancel() { cancelled.withLock(wake: true) { $0 = true } }
}
