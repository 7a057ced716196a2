import NFS
import Synchronization

/// `xfer rm`: takes away files and, with all that is in them, directories; what fails is counted and the rest goes on.
package final class Removal: Sendable {
    package struct Result: Sendable {
        /// Files and links, and directories.
        package var files = 0
        package var directories = 0
        package var failures: [any Error] = []

        package init() {}
    }

    private let remote: Remote
    private let recursive: Bool
    private let force: Bool
    private let removed: @Sendable (_ path: String) -> Void
    private let outcome = Mutex(Result())
    private let calls = Limiter(Removal.callsAtOnce)
    /// Further walks beside the first: each holds a directory's names in memory.
    private let walks = Mutex(Removal.walksAtOnce)

    private static let callsAtOnce = 64
    private static let walksAtOnce = 16

    /// - Parameters:
    ///   - recursive: directories too.
    ///   - force: what is not there is no failure.
    ///   - removed: told of everything that is gone, on any thread.
    package init(
        remote: Remote, recursive: Bool, force: Bool, removed: @escaping @Sendable (_ path: String) -> Void = { _ in }
    ) {
        self.remote = remote
        self.recursive = recursive
        self.force = force
        self.removed = removed
    }

    /// What has been done so far.
    package var result: Result { outcome.withLock { $0 } }

    /// Takes away what has the full path `path` on the server. Symbolic links are taken away, never followed.
    package func run(_ path: String) async {
        do {
            try remote.checkWritable(path)
            let place = try await remote.place(path)
            guard let object = try await remote.lookup(place) else {
                if force { return }
                throw NFSError(.noEntry, .lookup, place.path)
            }
            if object.attributes.type == .directory {
                guard recursive else {
                    throw TransferError(
                        .server, "\(place.path): is a directory (-r takes it away with all that is in it)")
                }
                await removeTree(object, place.operation)
            } else {
                await removeFile(place.operation, place.path)
            }
        } catch let error as NFSError where force && error.status == .noEntry {
            // A directory above it is not there.
        } catch {
            fail(error)
        }
    }

    private func removeFile(_ place: DirectoryOperation, _ path: String) async {
        await calls.acquire()
        defer { calls.release() }
        do {
            try Task.checkCancellation()
            _ = try await remote.session.nfs(NFS.Remove.self, place, subject: path)
        } catch let error as NFSError where error.status == .noEntry {
            // It was there: somebody else was faster, or the reply to the first call was lost with its connection.
        } catch {
            return fail(error)
        }
        outcome.withLock { $0.files += 1 }
        removed(path)
    }

    private func removeTree(_ directory: Remote.Object, _ place: DirectoryOperation) async {
        let before = failureCount
        do {
            var files: [FileName] = []
            var directories: [(FileName, Remote.Object)] = []
            // Listed first: a directory that changes while it is listed has a server begin again.
            try await remote.list(directory, unreachable: { self.fail($0) }) { name, object in
                if object.attributes.type == .directory {
                    directories.append((name, object))
                } else {
                    files.append(name)
                }
            }
            await withDiscardingTaskGroup { group in
                for (name, object) in directories {
                    if Task.isCancelled { return }
                    let inner = DirectoryOperation(directory.handle, name)
                    if beginWalk() {
                        group.addTask {
                            await self.removeTree(object, inner)
                            self.endWalk()
                        }
                    } else {
                        await removeTree(object, inner)
                    }
                }
                await removeFiles(files, directory)
            }
            try Task.checkCancellation()
            // What could not be taken away would only be told a second time.
            if failureCount > before, try await !isEmpty(directory) { return }
            await calls.acquire()
            defer { calls.release() }
            do {
                _ = try await remote.session.nfs(NFS.RmDir.self, place, subject: directory.path)
            } catch let error as NFSError where error.status == .noEntry {
                // As with a file.
            }
            outcome.withLock { $0.directories += 1 }
            removed(directory.path)
        } catch {
            fail(error)
        }
    }

    private func removeFiles(_ names: [FileName], _ directory: Remote.Object) async {
        await withDiscardingTaskGroup { group in
            // As many tasks as calls; a million would take the memory.
            let tasks = Limiter(Self.callsAtOnce)
            for name in names {
                if Task.isCancelled { return }
                await tasks.acquire()
                group.addTask {
                    defer { tasks.release() }
                    await self.removeFile(DirectoryOperation(directory.handle, name), "\(directory.path)/\(name)")
                }
            }
        }
    }

    private func isEmpty(_ directory: Remote.Object) async throws -> Bool {
        struct Found: Error {}
        do {
            try await remote.list(directory) { _, _ in throw Found() }
            return true
        } catch is Found {
            return false
        }
    }

    private func beginWalk() -> Bool {
        walks.withLock { walks in
            guard walks > 0 else { return false }
            walks -= 1
            return true
        }
    }

    private func endWalk() { walks.withLock { $0 += 1 } }

    private var failureCount: Int { outcome.withLock { $0.failures.count } }

    private func fail(_ error: any Error) {
        if error is CancellationError { return }
        outcome.withLock { $0.failures.append(error) }
    }
}
