import Synchronization

/// How far a transfer is; written by many tasks, read by whoever shows it.
package final class Progress: Sendable {
    private let doneBytes = Atomic<Int>(0)
    private let knownBytes = Atomic<Int>(0)
    private let doneFiles = Atomic<Int>(0)
    private let knownFiles = Atomic<Int>(0)
    private let listed = Atomic<Bool>(false)

    package init() {}

    package struct Snapshot: Sendable, Equatable {
        /// Bytes moved, and bytes of all files found so far.
        package var doneBytes: Int
        package var knownBytes: Int
        package var doneFiles: Int
        package var knownFiles: Int
        /// Whether all files have been found.
        package var isComplete: Bool
    }

    package var snapshot: Snapshot {
        Snapshot(
            doneBytes: doneBytes.load(ordering: .relaxed), knownBytes: knownBytes.load(ordering: .relaxed),
            doneFiles: doneFiles.load(ordering: .relaxed), knownFiles: knownFiles.load(ordering: .relaxed),
            isComplete: listed.load(ordering: .relaxed))
    }

    func found(bytes: UInt64) {
        knownBytes.wrappingAdd(Int(clamping: bytes), ordering: .relaxed)
        knownFiles.wrappingAdd(1, ordering: .relaxed)
    }

    func moved(_ bytes: Int) { doneBytes.wrappingAdd(bytes, ordering: .relaxed) }
    func finishedFile() { doneFiles.wrappingAdd(1, ordering: .relaxed) }
    func listedAll() { listed.store(true, ordering: .relaxed) }
}

/// What a transfer came to.
package struct Report: Sendable {
    package var files = 0
    package var directories = 0
    package var links = 0
    package var bytes: UInt64 = 0
    package var failures: [any Error] = []
    /// What was left out and why: neither moved nor failed.
    package var skipped: [String] = []
}

/// Gathers a ``Report`` from many tasks.
final class Gatherer: Sendable {
    private let report = Mutex(Report())

    /// Failures, and what was left out, kept in full; beyond them a tree that fails everywhere would fill memory.
    private static let kept = 10000

    func add(_ body: (inout Report) -> Void) { report.withLock { body(&$0) } }

    func fail(_ error: any Error) {
        report.withLock { if $0.failures.count < Self.kept { $0.failures.append(error) } }
    }

    func skip(_ what: String) {
        report.withLock { if $0.skipped.count < Self.kept { $0.skipped.append(what) } }
    }

    var result: Report { report.withLock { $0 } }
}
