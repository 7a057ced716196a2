package import NFS
import Synchronization

/// `xfer du`: what a tree takes on the server's disk.
///
/// Several directories are listed at once. What is kept are the directories on the walk and, of files with several
/// names, their numbers: nothing for each file.
package final class DiskUsage: Sendable {
    package struct Total: Sendable, Equatable {
        /// Bytes of disk.
        package var used: UInt64 = 0
        /// Bytes of regular files and symbolic links.
        package var apparent: UInt64 = 0
        /// Other than directories, each once whatever number of names it has.
        package var files: UInt64 = 0
        package var directories: UInt64 = 0

        fileprivate init() {}

        fileprivate init(_ attributes: FileAttributes) {
            used = attributes.used
            switch attributes.type {
            case .directory: directories = 1
            case .regular, .symbolicLink:
                apparent = attributes.size
                files = 1
            default: files = 1
            }
        }

        /// A server may say any sizes: the sums stop at the largest number.
        fileprivate mutating func add(_ other: Total) {
            used = Self.sum(used, other.used)
            apparent = Self.sum(apparent, other.apparent)
            files = Self.sum(files, other.files)
            directories = Self.sum(directories, other.directories)
        }

        private static func sum(_ a: UInt64, _ b: UInt64) -> UInt64 {
            let (sum, overflows) = a.addingReportingOverflow(b)
            return overflows ? .max : sum
        }
    }

    package struct Options: Sendable {
        /// How far below the top directories are reported: 0 is the top alone.
        package var depth = Int.max
        /// Reports files too.
        package var all = false
        /// Counts the unfinished temporaries of copies.
        package var unfinished = false

        package init() {}
    }

    /// Files with several names that have been counted: of one server, over all the places on it.
    package final class Counted: Sendable {
        private struct Number: Hashable {
            let fileSystem: UInt64
            let file: UInt64
        }
        private let numbers = Mutex<Set<Number>>([])

        package init() {}

        /// Whether it has not been counted under another name.
        fileprivate func isNew(_ attributes: FileAttributes) -> Bool {
            guard attributes.linkCount > 1 else { return true }
            let number = Number(fileSystem: attributes.fileSystem, file: attributes.fileID)
            return numbers.withLock { $0.insert(number).inserted }
        }
    }

    private final class Sum: Sendable {
        private let total: Mutex<Total>
        init(_ total: Total) { self.total = Mutex(total) }
        func add(_ more: Total) { total.withLock { $0.add(more) } }
        var value: Total { total.withLock { $0 } }
    }

    private let remote: Remote
    private let options: Options
    private let counted: Counted
    private let report: @Sendable (FileName, Total) throws -> Void
    private let failed: @Sendable (any Error) -> Void
    /// Further directories that may be walked at once.
    private let spare = Atomic<Int>(31)

    /// - Parameters:
    ///   - report: gets each path and what is in it, a directory after all that is in it; from several threads.
    ///   - failed: told what could not be looked at; the rest goes on.
    package init(
        _ remote: Remote, _ options: Options, _ counted: Counted,
        report: @escaping @Sendable (FileName, Total) throws -> Void, failed: @escaping @Sendable (any Error) -> Void
    ) {
        self.remote = remote
        self.options = options
        self.counted = counted
        self.report = report
        self.failed = failed
    }

    /// Measures what `path` names; a symbolic link itself, not what it points to.
    ///
    /// - Parameter name: what the top is called in the report.
    /// - Throws: what `report` throws, and what kept it from beginning.
    package func measure(_ path: String, named name: String) async throws {
        let top = try await remote.find(path)
        if top.attributes.type == .directory {
            _ = try await walk(top, FileName(name), depth: 0)
        } else if counted.isNew(top.attributes) {
            try report(FileName(name), Total(top.attributes))
        }
    }

    private func walk(_ directory: Remote.Object, _ path: FileName, depth: Int) async throws -> Total {
        let sum = Sum(Total(directory.attributes))
        let inner = try await list(directory, path, depth: depth, sum)
        try await withThrowingDiscardingTaskGroup { group in
            for (name, object) in inner {
                try Task.checkCancellation()
                let path = Self.path(path, name)
                if takesSpare() {
                    group.addTask { [self] in
                        defer { spare.wrappingAdd(1, ordering: .relaxed) }
                        sum.add(try await walk(object, path, depth: depth + 1))
                    }
                } else {
                    sum.add(try await walk(object, path, depth: depth + 1))
                }
            }
        }
        if depth <= options.depth { try report(path, sum.value) }
        return sum.value
    }

    /// Adds what is in a directory.
    ///
    /// - Returns: the directories in it.
    private func list(
        _ directory: Remote.Object, _ path: FileName, depth: Int, _ sum: Sum
    ) async throws -> [(FileName, Remote.Object)] {
        var inner: [(FileName, Remote.Object)] = []
        do {
            try await remote.list(directory, unreachable: { failed($0) }) { name, object in
                try Task.checkCancellation()
                if object.attributes.type == .directory { return inner.append((name, object)) }
                guard options.unfinished || !TemporaryName.isTemporary(name), counted.isNew(object.attributes) else {
                    return
                }
                let total = Total(object.attributes)
                sum.add(total)
                if options.all && depth < options.depth { try report(Self.path(path, name), total) }
            }
        } catch let error where error is NFSError || error is TransferError {
            failed(error)
        }
        return inner
    }

    private func takesSpare() -> Bool {
        if spare.wrappingSubtract(1, ordering: .relaxed).oldValue > 0 { return true }
        spare.wrappingAdd(1, ordering: .relaxed)
        return false
    }

    private static func path(_ directory: FileName, _ name: FileName) -> FileName {
        let separator = directory.bytes.last == UInt8(ascii: "/") ? [] : [UInt8(ascii: "/")]
        return FileName(Array(directory.bytes) + separator + name.bytes)
    }
}
