import Synchronization

/// How many calls may read whole files at once. Each has a thread as long as it reads, of the few that answer everybody:
/// clients that ask for nothing else leave the others theirs.
final class ChecksumThreads: Sendable {
    private let limit: Atomic<Int>
    private let taken = Atomic<Int>(0)

    init(limit: Int) { self.limit = Atomic(limit) }

    /// At least one; holds from the next call on.
    func allow(_ count: Int) { limit.store(max(1, count), ordering: .relaxed) }

    /// Runs `body` where one more may; nil where not.
    func run<R, E: Error>(_ body: () throws(E) -> R) throws(E) -> R? {
        defer { taken.wrappingSubtract(1, ordering: .relaxed) }
        guard taken.wrappingAdd(1, ordering: .relaxed).newValue <= limit.load(ordering: .relaxed) else { return nil }
        return try body()
    }
}
