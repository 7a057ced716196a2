import NFS

/// A small file that is copied together with others.
struct SmallFile<Source: Tree, Target: WritableTree>: Sendable {
    let name: FileName
    let node: Node
    let source: Source.Directory
    let target: Target.Directory
    /// The name it gets.
    let final: FileName
    /// What has that name now, as far as it was looked at.
    let existing: Node?
}

/// How many small files are copied together.
struct SmallFileLimits: Sendable {
    /// Bytes of each.
    let size: UInt64
    /// Bytes of all of them: enough that a call costs little beside them, few enough that one side works while the other
    /// one does.
    let bytes: UInt64

    static let count = 32
    /// Calls at once. Each call's files are read or written at this end one after another.
    static let calls = 8

    /// - Parameters:
    ///   - rules: one call has no room for holes.
    ///   - piece: bytes that go at once at most, where there is a limit of bandwidth.
    init(_ rules: CopyRules, piece: Int?) {
        bytes = min(192 << 10, UInt64(piece ?? .max))
        size = min(UInt64(Xfer.fileDataLimit), bytes, rules.sparse ? SparseRanges.smallestFile - 1 : .max)
    }
}

/// Small files that wait until there are enough of them for a call.
struct SmallFileQueue<File: Sendable>: Sendable {
    private var files: [File] = []
    private var bytes: UInt64 = 0
    let limits: SmallFileLimits
    private let count: Int

    /// - Parameter count: files in a call at most.
    init(_ limits: SmallFileLimits, count: Int) {
        self.limits = limits
        self.count = max(1, count)
    }

    /// - Returns: those that are to go now.
    mutating func append(_ file: File, bytes size: UInt64) -> [File] {
        var full: [File] = []
        if bytes + size > limits.bytes { full = take() }
        files.append(file)
        bytes += size
        if full.isEmpty, files.count >= count { full = take() }
        return full
    }

    mutating func take() -> [File] {
        defer { (files, bytes) = ([], 0) }
        return files
    }
}

extension FileMover {
    /// What the call for several files has not settled goes by itself: then it is as if it had done so from the beginning.
    ///
    /// - Parameter settled: bytes of one that is there by now, by its place among the files; nil for the others.
    func copyRest(
        of files: [SmallFile<Source, Target>], _ settled: (Int) -> UInt64?
    ) async -> [Result<UInt64, any Error>] {
        var results: [Result<UInt64, any Error>] = []
        results.reserveCapacity(files.count)
        for (index, file) in files.enumerated() {
            if let bytes = settled(index) {
                results.append(.success(bytes))
                continue
            }
            do {
                if Task.isCancelled { throw CancellationError() }
                let bytes = try await copy(
                    file.name, file.node, in: file.source, following: false, to: file.target, as: file.final)
                results.append(.success(bytes))
            } catch {
                results.append(.failure(error))
            }
        }
        return results
    }
}
