import Synchronization

/// How far a transfer is; written by many tasks, read by whoever shows it.
package final class Progress: Sendable {
    private let doneBytes = Atomic<Int>(0)
    private let knownBytes = Atomic<Int>(0)
    private let doneFiles = Atomic<Int>(0)
    private let knownFiles = Atomic<Int>(0)
    private let listed = Atomic<Bool>(false)
    private let flying = Mutex<[FileInFlight]>([])
    private let onItem: (@Sendable (Item) -> Void)?

    /// - Parameter onItem: told of everything that is done, or would be; on the engine's threads, many at once.
    package init(onItem: (@Sendable (Item) -> Void)? = nil) { self.onItem = onItem }

    package struct Snapshot: Sendable, Equatable {
        /// Bytes moved or found to be there, and bytes of all files found so far.
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

    /// The files under way, the one that began first first.
    ///
    /// - Parameter limit: how many at most.
    package func filesInFlight(_ limit: Int) -> [FileInFlight] { flying.withLock { Array($0.prefix(limit)) } }

    func found(bytes: UInt64) {
        knownBytes.wrappingAdd(Int(clamping: bytes), ordering: .relaxed)
        knownFiles.wrappingAdd(1, ordering: .relaxed)
    }

    /// A file's copying begins.
    ///
    /// - Parameter path: as a person should see it.
    func begin(_ path: String, bytes: UInt64) -> FileInFlight {
        let file = FileInFlight(path: path, bytes: bytes, in: self)
        flying.withLock { $0.append(file) }
        return file
    }

    /// It is done, or failed: then what was moved of it counts as moved all the same.
    func end(_ file: FileInFlight, isDone: Bool) {
        flying.withLock { files in
            if let index = files.firstIndex(where: { $0 === file }) { files.remove(at: index) }
        }
        if isDone { doneFiles.wrappingAdd(1, ordering: .relaxed) }
    }

    /// A file that needs nothing moved.
    func passed(bytes: UInt64) {
        moved(Int(clamping: bytes))
        doneFiles.wrappingAdd(1, ordering: .relaxed)
    }

    func report(_ item: @autoclosure () -> Item) { onItem?(item()) }
    fileprivate func moved(_ bytes: Int) { doneBytes.wrappingAdd(bytes, ordering: .relaxed) }
    func listedAll() { listed.store(true, ordering: .relaxed) }
}

/// A file that is being copied.
package final class FileInFlight: Sendable {
    package let path: String
    /// Its size.
    package let bytes: UInt64
    private let done = Atomic<Int>(0)
    private let progress: Progress

    fileprivate init(path: String, bytes: UInt64, in progress: Progress) {
        self.path = path
        self.bytes = bytes
        self.progress = progress
    }

    /// Bytes of it that are there.
    package var doneBytes: Int { done.load(ordering: .relaxed) }

    /// Bytes that were moved, or need not be since they are there; negative where they have to be moved again.
    func moved(_ bytes: Int) {
        done.wrappingAdd(bytes, ordering: .relaxed)
        progress.moved(bytes)
    }
}

/// What a transfer came to.
package struct Report: Sendable {
    package var files = 0
    package var directories = 0
    package var links = 0
    /// Further names of files that were copied.
    package var hardLinks = 0
    /// Files that needed nothing, or were left out by a rule.
    package var unchanged = 0
    /// Files that had the right content, and got another mode, owner or time.
    package var attributes = 0
    package var deleted = 0
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
