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
    /// Bytes of all of them, and how many: enough that a call costs little beside them, few enough that one side works
    /// while the other one does.
    static let bytes: UInt64 = 192 << 10
    static let count = 32
    /// Calls at once. Each call's files are read or written at this end one after another.
    static let calls = 8
}

/// Small files that wait until there are enough of them for a call.
struct SmallFileQueue<File: Sendable>: Sendable {
    private var files: [File] = []
    private var bytes: UInt64 = 0
    private let count: Int

    /// - Parameter count: files in a call at most.
    init(count: Int) { self.count = max(1, count) }

    /// - Returns: those that are to go now.
    mutating func append(_ file: File, bytes size: UInt64) -> [File] {
        var full: [File] = []
        if bytes + size > SmallFileLimits.bytes { full = take() }
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
