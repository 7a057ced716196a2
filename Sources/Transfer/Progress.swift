import Synchronization

/// How far a transfer is; written by many tasks, read by whoever shows it.
package final class Progress: Sendable {
    private let doneBytes = Atomic<Int>(0)
    private let knownBytes = Atomic<Int>(0)
    private let doneFiles = Atomic<Int>(0)
    private let knownFiles = Atomic<Int>(0)
    private let listed = Atomic<Bool>(false)
    private let flying = Mutex(FilesInFlight())
    private let onItem: (@Sendable (Item) -> Void)?
    private let onFailure: (@Sendable (any Error) -> Void)?
    private let onSkip: (@Sendable (String) -> Void)?
    /// Unfinished copies that were left for the next run.
    package let kept = KeptParts()

    /// All are called on the engine's threads, many at once.
    ///
    /// - Parameters:
    ///   - onItem: told of everything that is done, or would be.
    ///   - onFailure: told of each failure that will be in the report.
    ///   - onSkip: told of what is left out, and why.
    package init(
        onItem: (@Sendable (Item) -> Void)? = nil, onFailure: (@Sendable (any Error) -> Void)? = nil,
        onSkip: (@Sendable (String) -> Void)? = nil
    ) {
        self.onItem = onItem
        self.onFailure = onFailure
        self.onSkip = onSkip
    }

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
    package func filesInFlight(_ limit: Int) -> [FileInFlight] { flying.withLock { $0.first(limit) } }

    func found(bytes: UInt64) {
        knownBytes.wrappingAdd(Int(clamping: bytes), ordering: .relaxed)
        knownFiles.wrappingAdd(1, ordering: .relaxed)
    }

    /// A file whose end nobody knows has so many bytes more.
    func grew(by bytes: Int) { knownBytes.wrappingAdd(bytes, ordering: .relaxed) }

    /// A file's copying begins.
    ///
    /// - Parameter path: as a person should see it.
    func begin(_ path: String, bytes: UInt64) -> FileInFlight {
        flying.withLock { files in
            let file = FileInFlight(path: path, bytes: bytes, number: files.next, in: self)
            files.append(file)
            return file
        }
    }

    /// It is done, or failed: then what was moved of it counts as moved all the same.
    func end(_ file: FileInFlight, isDone: Bool) {
        flying.withLock { $0.remove(file.number) }
        if isDone { doneFiles.wrappingAdd(1, ordering: .relaxed) }
    }

    /// A file that needs nothing moved, or was moved together with others.
    func passed(bytes: UInt64) {
        moved(Int(clamping: bytes))
        doneFiles.wrappingAdd(1, ordering: .relaxed)
    }

    func report(_ item: @autoclosure () -> Item) { onItem?(item()) }
    fileprivate func failed(_ error: any Error) { onFailure?(error) }
    fileprivate func skipped(_ what: String) { onSkip?(what) }
    fileprivate func moved(_ bytes: Int) { doneBytes.wrappingAdd(bytes, ordering: .relaxed) }
    func listedAll() { listed.store(true, ordering: .relaxed) }
}

/// A file that is being copied.
package final class FileInFlight: Sendable {
    package let path: String
    /// Its size.
    package let bytes: UInt64
    private let done = Atomic<Int>(0)
    fileprivate let number: Int
    private let progress: Progress

    fileprivate init(path: String, bytes: UInt64, number: Int, in progress: Progress) {
        self.path = path
        self.bytes = bytes
        self.number = number
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

/// Files in the order in which they began, whichever of them end first. Beginning and ending cost the same for the first
/// file and for the millionth beside one that takes all day.
private struct FilesInFlight {
    /// By number, ascending; nil where it has ended.
    private var entries: [(number: Int, file: FileInFlight?)] = []
    private var ended = 0
    private(set) var next = 0

    mutating func append(_ file: FileInFlight) {
        entries.append((next, file))
        next += 1
    }

    mutating func remove(_ number: Int) {
        var (low, high) = (0, entries.count)
        while low < high {
            let middle = (low + high) / 2
            if entries[middle].number < number { low = middle + 1 } else { high = middle }
        }
        guard low < entries.count, entries[low].number == number, entries[low].file != nil else { return }
        entries[low].file = nil
        ended += 1
        if ended > 16 && ended > entries.count / 2 {
            entries.removeAll { $0.file == nil }
            ended = 0
        }
    }

    func first(_ limit: Int) -> [FileInFlight] { Array(entries.lazy.compactMap(\.file).prefix(max(0, limit))) }
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
    /// What the copies have not and their sources have, a line each.
    package var notes: [String] = []
    /// Unfinished copies that the same command goes on with.
    package var resumable = KeptParts.Count()

    package init() {}

    /// A server may say of any number of files that they have 2^63 bytes, which a dry run believes.
    mutating func add(bytes more: UInt64) {
        let (sum, overflow) = bytes.addingReportingOverflow(more)
        bytes = overflow ? .max : sum
    }
}

/// Gathers a ``Report`` from many tasks.
final class Gatherer: Sendable {
    private let report = Mutex(Report())
    private let interrupted = Atomic<Bool>(false)
    let notCarried = NotCarried()
    private let progress: Progress?

    /// - Parameter progress: told at once of failures and of what is left out.
    init(telling progress: Progress? = nil) { self.progress = progress }

    /// Failures, and what was left out, kept in full; beyond them a tree that fails everywhere would fill memory.
    private static let kept = 10000

    func add(_ body: (inout Report) -> Void) { report.withLock { body(&$0) } }

    func fail(_ error: any Error) {
        // Interrupted is not failed, and not done either.
        if error is CancellationError { return interrupted.store(true, ordering: .relaxed) }
        progress?.failed(error)
        report.withLock { if $0.failures.count < Self.kept { $0.failures.append(error) } }
    }

    func skip(_ what: String) {
        progress?.skipped(what)
        report.withLock { if $0.skipped.count < Self.kept { $0.skipped.append(what) } }
    }

    /// - Throws: `CancellationError` where something was not done since somebody wanted to leave.
    func result() throws -> Report {
        if interrupted.load(ordering: .relaxed) || Task.isCancelled { throw CancellationError() }
        var result = report.withLock { $0 }
        result.notes = notCarried.notes
        return result
    }
}
