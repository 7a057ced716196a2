#if DEBUG
package import SystemPackage
import Synchronization

/// Faults that tests ask for, in debug builds alone: the next calls of a name fail with the errno listed.
///
/// Process-wide, since engines make their calls on threads of their own; a test that uses it runs serialized.
package enum FaultScript {
    private static let active = Atomic<Bool>(false)
    private static let faults = Mutex<[String: [Errno?]]>([:])

    /// Runs `body` while the next calls named `call` fail in turn with `outcomes`; nil lets one call through.
    package static func with<R>(_ call: String, _ outcomes: [Errno?], _ body: () throws -> R) rethrows -> R {
        faults.withLock { $0[call] = outcomes }
        active.store(true, ordering: .releasing)
        defer {
            faults.withLock { $0[call] = nil }
            active.store(false, ordering: .releasing)
        }
        return try body()
    }

    static func next(_ call: StaticString) -> Errno? {
        guard active.load(ordering: .acquiring) else { return nil }
        return faults.withLock { script in
            guard var left = script["\(call)"], !left.isEmpty else { return nil }
            let outcome = left.removeFirst()
            script["\(call)"] = left
            return outcome
        }
    }
}
#endif
