import Glibc
import NFS
import Synchronization
import SystemPackage

/// `--delete`: takes away what the target has and the source has not, when everything is copied.
///
/// Nothing is deleted where the source could not be read as a whole, where it is more than `--max-delete` allows, or
/// where nothing at all in the target is in the source: then somebody has named the wrong directory.
final class Deletion<Target: WritableTree>: Sendable {
    private let target: Target
    private let rules: CopyRules
    private let progress: Progress
    private let gatherer: Gatherer
    private let state = Mutex(State())

    private struct State {
        var doomed: [Doomed] = []
        var isForbidden = false
        /// Names at the top that the source has too.
        var keptAtTop: Int?
        /// What was deleted, or is about to be, of what `--max-delete` allows.
        var deleted = 0
        var source: SourceTop?
        /// Further directories that may be deleted at once: for each one is open.
        var walks = 16
    }

    private struct SourceTop: Sendable {
        let fileID: UInt64
        let attributes: @Sendable () async throws -> FileAttributes
    }

    private struct Doomed: Sendable {
        let directory: RelativePath
        let names: [FileName]
        /// What the directory gets when they are gone.
        let attributes: SetAttributes
        /// It gets them even if nothing is deleted in it.
        var isWaiting = false
    }

    init(in target: Target, rules: CopyRules, progress: Progress, gatherer: Gatherer) {
        self.target = target
        self.rules = rules
        self.progress = progress
        self.gatherer = gatherer
    }

    /// Not all of the source is known.
    func forbid() { state.withLock { $0.isForbidden = true } }

    /// The source's top, which may be in the target where somebody copies within one machine.
    func keep(_ fileID: UInt64, _ attributes: @escaping @Sendable () async throws -> FileAttributes) {
        state.withLock { $0.source = SourceTop(fileID: fileID, attributes: attributes) }
    }

    /// - Parameters:
    ///   - kept: how many names of the directory the source has too.
    ///   - attributes: what the directory gets when they are gone.
    /// - Returns: its number.
    func note(_ names: [FileName], in directory: RelativePath, keeping kept: Int, _ attributes: SetAttributes) -> Int {
        state.withLock {
            $0.doomed.append(Doomed(directory: directory, names: names, attributes: attributes))
            if directory.components.isEmpty { $0.keptAtTop = kept }
            return $0.doomed.count - 1
        }
    }

    /// The directory of that number was changed, and has its attributes set after the deletions, which change it too.
    func wait(with number: Int) { state.withLock { $0.doomed[number].isWaiting = true } }

    /// Deletes what was noted.
    func run(in top: Target.Directory) async {
        let (doomed, isForbidden, keptAtTop) = state.withLock { ($0.doomed, $0.isForbidden, $0.keptAtTop) }
        if doomed.isEmpty { return }
        do {
            if isForbidden {
                throw TransferError(
                    .local, "\(target.path(top)): nothing is deleted, since not all of the source could be read")
            }
            let plan = try await plan(doomed, top)
            let count = plan.reduce(0) { $0 + $1.entries.reduce(0) { $0 + $1.count } }
            try check(count, keptAtTop, top)
            // The deepest first: what is above may lose the rights that it takes to get there.
            for item in plan.reversed() { await delete(item, top) }
        } catch {
            gatherer.fail(error)
            // Their times were left for the deletions.
            for item in doomed.reversed() where item.isWaiting { await settle(item, top) }
        }
    }

    // MARK: What is to go

    private struct Directory: Sendable {
        let doomed: Doomed
        let entries: [Entry]
    }

    /// A name to delete, with what is in it.
    private final class Entry: Sendable {
        let name: FileName
        let node: Node
        let path: RelativePath
        let children: [Entry]
        /// Something in it stays: then it stays too.
        let isKept: Bool
        /// Itself and what is in it.
        let count: Int

        init(_ name: FileName, _ node: Node, _ path: RelativePath, _ children: [Entry], isKept: Bool) {
            self.name = name
            self.node = node
            self.path = path
            self.children = children
            self.isKept = isKept
            count = children.reduce(isKept ? 0 : 1) { $0 + $1.count }
        }
    }

    private func plan(_ doomed: [Doomed], _ top: Target.Directory) async throws -> [Directory] {
        var plan: [Directory] = []
        for item in doomed {
            let place = try await open(item.directory, top)
            let index = try await target.index(place)
            var entries: [Entry] = []
            for name in item.names {
                guard let node = try target.find(name, in: place, index) else { continue }
                if let entry = try await entry(name, node, in: place, item.directory / name) { entries.append(entry) }
            }
            plan.append(Directory(doomed: item, entries: entries))
        }
        return plan
    }

    /// - Returns: nil for what stays: what is excluded, and somebody's unfinished copy.
    private func entry(
        _ name: FileName, _ node: Node, in directory: Target.Directory, _ path: RelativePath
    ) async throws -> Entry? {
        let isDirectory = node.type == .directory
        if let tag = TemporaryName.tag(of: name), !tag.isLeftOver { return nil }
        guard rules.filter.admits(path.components, isDirectory: isDirectory) else { return nil }
        guard isDirectory else { return Entry(name, node, path, [], isKept: false) }
        let inner = try await target.open(name, node, in: directory)
        if let source = state.withLock({ $0.source }), source.fileID == node.attributes.fileID,
            try await SameDirectory.check({ [target] in
                (try await source.attributes(), try await target.attributes(inner))
            })
        {
            throw TransferError(.local, "\(target.path(inner)): is the source itself; nothing is deleted")
        }
        var children: [Entry] = []
        var isKept = false
        try await target.list(inner, unreachable: { throw $0 }) { page in
            for (name, node) in page {
                if let child = try await entry(name, node, in: inner, path / name) {
                    children.append(child)
                    if child.isKept { isKept = true }
                } else {
                    isKept = true
                }
            }
        }
        return Entry(name, node, path, children, isKept: isKept)
    }

    private func check(_ count: Int, _ keptAtTop: Int?, _ top: Target.Directory) throws {
        if let most = rules.maxDelete {
            guard reserve(count, most) else {
                throw TransferError(
                    .local, "\(target.path(top)): nothing is deleted: it would be \(count), and --max-delete is \(most)"
                )
            }
        } else if keptAtTop == 0, count > 0 {
            throw TransferError(
                .local,
                "\(target.path(top)): nothing is deleted: the source has nothing of what is there, and all of it, "
                    + "\(count) in number, would go (--max-delete \(count) allows it)")
        }
    }

    /// Many tasks may make way at once.
    private func reserve(_ count: Int, _ most: Int) -> Bool {
        state.withLock { state in
            guard count <= most - state.deleted else { return false }
            state.deleted += count
            return true
        }
    }

    // MARK: Deleting

    private func delete(_ directory: Directory, _ top: Target.Directory) async {
        do {
            let place = try await open(directory.doomed.directory, top)
            let isChanged = directory.entries.contains { $0.count > 0 }
            if isChanged { try await unlock(place) }
            await delete(directory.entries, in: place)
            if isChanged || directory.doomed.isWaiting { await settle(directory.doomed, top) }
        } catch {
            gatherer.fail(error)
        }
    }

    /// Names of one directory deleted at once.
    private static var atOnce: Int { 16 }

    private func delete(_ entries: [Entry], in directory: Target.Directory) async {
        await withTaskGroup(of: Void.self) { group in
            var running = 0
            for entry in entries {
                if Task.isCancelled { return }
                let isWalk = entry.node.type == .directory
                // Each at once with all in it at once would have more directories open than a process may.
                if isWalk && !beginWalk() {
                    await delete(entry, in: directory)
                    continue
                }
                if running >= Self.atOnce { await group.next() } else { running += 1 }
                group.addTask {
                    await self.delete(entry, in: directory)
                    if isWalk { self.endWalk() }
                }
            }
        }
    }

    private func beginWalk() -> Bool {
        state.withLock { state in
            guard state.walks > 0 else { return false }
            state.walks -= 1
            return true
        }
    }

    private func endWalk() { state.withLock { $0.walks += 1 } }

    private func delete(_ entry: Entry, in directory: Target.Directory) async {
        do {
            if entry.node.type == .directory {
                let inner = try await target.open(entry.name, entry.node, in: directory)
                if entry.children.contains(where: { $0.count > 0 }) { try await unlock(inner) }
                await delete(entry.children, in: inner)
                if entry.isKept {
                    if !rules.dryRun, Locked.isLocked(entry.node.attributes) {
                        try await target.set(SetAttributes(mode: entry.node.attributes.mode), of: inner)
                    }
                    return
                }
            }
            if !rules.dryRun { try await remove(entry, directory) }
            gatherer.add { $0.deleted += 1 }
            progress.report(Item(.delete, entry.node.type, entry.path.description))
        } catch {
            gatherer.fail(error)
            progress.report(Item(.fail, entry.node.type, entry.path.description, detail: "\(error)"))
        }
    }

    private func remove(_ entry: Entry, _ directory: Target.Directory) async throws {
        do {
            if entry.node.type == .directory {
                try await target.removeDirectory(entry.name, in: directory)
            } else {
                try await target.remove(entry.name, in: directory)
            }
        } catch let error as NFSError where error.status == .noEntry {
            // It was there: the reply to the first call was lost with its connection, or somebody else was faster.
        } catch let error as TransferError where error.errno == .noSuchFileOrDirectory {
        }
    }

    private func unlock(_ directory: Target.Directory) async throws {
        if rules.dryRun || geteuid() == 0 { return }
        let attributes = try await target.attributes(directory)
        if Locked.isLocked(attributes) { await Locked.unlock(directory, attributes, in: target) }
    }

    /// Deletes what stands where something of another kind has to go.
    ///
    /// - Throws: where it is more than `--max-delete` allows, or could not be deleted.
    func makeWay(
        _ name: FileName, _ node: Node, in directory: Target.Directory, _ path: RelativePath
    ) async throws {
        guard let entry = try await entry(name, node, in: directory, path), !entry.isKept else {
            throw TransferError(.local, "\(target.path(name, in: directory)): has something in it that stays")
        }
        if let most = rules.maxDelete {
            guard reserve(entry.count, most) else {
                throw TransferError(
                    .local,
                    "\(target.path(name, in: directory)): is in the way, and more to delete than --max-delete \(most)")
            }
        }
        await delete(entry, in: directory)
    }

    private func settle(_ item: Doomed, _ top: Target.Directory) async {
        if rules.dryRun || item.attributes == SetAttributes() { return }
        do {
            let directory = try await open(item.directory, top)
            try await rules.withOwner(item.attributes) { try await target.set($0, of: directory) }
        } catch {
            gatherer.fail(error)
        }
    }

    /// A directory that was walked through before.
    private func open(_ path: RelativePath, _ top: Target.Directory) async throws -> Target.Directory {
        var at = top
        for component in path.components {
            guard let node = try await target.find(component, in: at) else {
                throw TransferError(.local, "\(target.path(component, in: at)): is gone")
            }
            at = try await target.open(component, node, in: at)
        }
        return at
    }
}
