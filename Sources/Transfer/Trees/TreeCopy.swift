import NFS
import Synchronization
import SystemPackage

/// Copies the data of one file from one side to the other.
protocol FileMover: Sendable {
    associatedtype Source: Tree
    associatedtype Target: WritableTree

    /// Makes the file, or replaces it in one step, with its attributes.
    ///
    /// - Parameters:
    ///   - existing: what has the name now, as far as it was looked at.
    ///   - following: whether the source's name may be a symbolic link to the file: where a person named it, as cp(1)
    ///     has it.
    /// - Returns: bytes of the file.
    func copy(
        _ name: FileName, _ node: Node, in source: Source.Directory, following: Bool, to target: Target.Directory,
        as final: FileName
    ) async throws -> UInt64
}

/// Copies a tree: directories as they are found, files many at once, what the source does not have deleted when all is
/// copied, directories' modes and times when all is in them.
final class TreeCopy<Mover: FileMover>: Sendable {
    typealias Source = Mover.Source
    typealias Target = Mover.Target

    let source: Source
    let target: Target
    let mover: Mover
    let rules: CopyRules
    let progress: Progress
    let gatherer: Gatherer
    private let slots: Limiter
    private let links = HardLinks<Target.Location>()
    private let deletion: Deletion<Target>

    init(
        from source: Source, to target: Target, by mover: Mover, rules: CopyRules, progress: Progress,
        gatherer: Gatherer
    ) {
        self.source = source
        self.target = target
        self.mover = mover
        self.rules = rules
        self.progress = progress
        self.gatherer = gatherer
        slots = Limiter(rules.jobs)
        deletion = Deletion(in: target, rules: rules, progress: progress, gatherer: gatherer)
    }

    /// A directory that is being filled. It is open until all is in it and no longer: a tree may have more directories
    /// than a process may have descriptors.
    private final class Filling: Sendable {
        let source: Source.Directory
        /// Nil where it would be made, and nothing is (`--dry-run`).
        let target: Target.Directory?
        let path: RelativePath
        let parent: Filling?
        let attributes: FileAttributes
        /// As it was, nil where it is new.
        let before: FileAttributes?
        /// What is in it that the run before has left, and what the source does not have: to be removed.
        let leftOvers = Mutex<[FileName]>([])
        let hasDoomed = Atomic<Bool>(false)
        /// Something was made in it, which has changed its times, or it has other attributes than it should.
        let isTouched: Atomic<Bool>
        /// Who still needs it: the walk, each file under way, each directory in it.
        let holders = Atomic<Int>(1)

        init(
            _ source: Source.Directory, _ attributes: FileAttributes, _ target: Target.Directory?,
            before: FileAttributes?, _ path: RelativePath, in parent: Filling?, isTouched: Bool = true
        ) {
            self.isTouched = Atomic(isTouched)
            self.source = source
            self.attributes = attributes
            self.target = target
            self.before = before
            self.path = path
            self.parent = parent
            parent?.hold()
        }

        func hold() { holders.wrappingAdd(1, ordering: .relaxed) }
        func touch() { isTouched.store(true, ordering: .relaxed) }
    }

    /// A finding about the source's entry that decides what is done.
    private struct Entry: Sendable {
        let name: FileName
        let node: Node
        let existing: Node?
        let path: RelativePath
        /// The name it gets.
        let final: FileName
        /// Its name may be a symbolic link to it.
        var isFollowed = false

        init(_ name: FileName, _ node: Node, existing: Node?, _ path: RelativePath, as final: FileName? = nil) {
            self.name = name
            self.node = node
            self.existing = existing
            self.path = path
            self.final = final ?? name
        }
    }

    /// Copies what is in a directory into another one.
    ///
    /// - Parameters:
    ///   - before: the target's attributes where it was there; nil where it was made for this or would be.
    func run(_ from: Source.Directory, into to: Target.Directory?, before: FileAttributes?) async {
        await withDiscardingTaskGroup { group in
            do {
                let attributes = try await source.attributes(from)
                await walk(Filling(from, attributes, to, before: before, RelativePath(), in: nil), &group)
            } catch {
                gatherer.fail(error)
            }
            progress.listedAll()
        }
        if rules.delete, let to, !Task.isCancelled { await deletion.run(in: to) }
    }

    /// Copies one file, by the same rules; `name` may be a symbolic link to it, as cp(1) has it.
    ///
    /// - Parameter final: its name in the target; nil: the same.
    func run(
        _ node: Node, named name: FileName, in from: Source.Directory, into to: Target.Directory, as final: FileName?
    ) async {
        progress.found(bytes: node.attributes.size)
        progress.listedAll()
        do {
            var entry = Entry(
                name, node, existing: try await target.find(final ?? name, in: to), RelativePath([final ?? name]),
                as: final)
            entry.isFollowed = true
            let filling = Filling(from, node.attributes, to, before: node.attributes, RelativePath(), in: nil)
            do {
                try await copy(entry, filling)
            } catch {
                fail(error, entry)
            }
        } catch {
            gatherer.fail(error)
        }
    }

    // MARK: The walk

    private func walk(_ filling: Filling, _ group: inout DiscardingTaskGroup) async {
        gatherer.add { $0.directories += 1 }
        var directories: [Entry] = []
        var names: Set<FileName> = []
        do {
            let index = try await index(filling)
            // Files are copied as they are listed: a directory may have millions.
            try await source.list(filling.source, unreachable: unreachable) { name, node in
                try Task.checkCancellation()
                if TemporaryName.isTemporary(name) { return }
                if rules.delete { names.insert(name) }
                let path = filling.path / name
                guard rules.filter.admits(path.components, isDirectory: node.type == .directory) else { return }
                let entry = Entry(name, node, existing: try await existing(name, filling, index), path)
                if node.type == .directory {
                    directories.append(entry)
                } else {
                    await begin(entry, filling, &group)
                }
            }
            if rules.delete, let index { try doom(names, filling, index) }
        } catch {
            // What is not known to be gone is not deleted.
            deletion.forbid()
            gatherer.fail(error)
        }
        for entry in directories where !Task.isCancelled { await descend(entry, filling, &group) }
        await release(filling)
    }

    private func unreachable(_ error: any Error) {
        deletion.forbid()
        gatherer.fail(error)
    }

    /// Notes what the target has and the source has not.
    private func doom(_ names: Set<FileName>, _ filling: Filling, _ index: Target.Index) throws {
        guard let directory = filling.target else { return }
        let there = try target.names(directory, index).filter { !TemporaryName.isTemporary($0) }
        let doomed = there.filter { !names.contains($0) }
        if doomed.isEmpty { return }
        filling.hasDoomed.store(true, ordering: .relaxed)
        deletion.note(
            doomed, in: filling.path, keeping: there.count - doomed.count,
            rules.directoryAttributes(filling.attributes, filling.before))
    }

    /// What the target directory has, where it was there before.
    private func index(_ filling: Filling) async throws -> Target.Index? {
        guard let directory = filling.target, filling.before != nil else { return nil }
        let index = try await target.index(directory)
        let leftOvers = try target.names(directory, index).filter {
            TemporaryName.tag(of: $0)?.isLeftOver ?? false
        }
        if !leftOvers.isEmpty {
            filling.leftOvers.withLock { $0 = leftOvers }
            filling.touch()
        }
        return index
    }

    private func existing(_ name: FileName, _ filling: Filling, _ index: Target.Index?) async throws -> Node? {
        guard let directory = filling.target, let index else { return nil }
        return try await target.find(name, in: directory, index)
    }

    private func descend(_ entry: Entry, _ parent: Filling, _ group: inout DiscardingTaskGroup) async {
        do {
            var isTouched = true
            switch Comparison.decide(
                source: entry.node.attributes, target: entry.existing?.attributes, rules: rules)
            {
            case .skip(let why): return passed(entry, .skip, detail: why.rawValue)
            case .unchanged: isTouched = false
            case .attributesOnly(let reasons):
                progress.report(Item(.attributes, .directory, entry.path.description, reasons: reasons))
            case .copy, .needsChecksum:
                try await makeWay(entry, parent)
                progress.report(Item(.create, .directory, entry.path.description))
            }
            let from = try await source.open(entry.name, entry.node, in: parent.source)
            let (to, before) = try await directory(entry, in: parent)
            await walk(
                Filling(
                    from, entry.node.attributes, to, before: before, entry.path, in: parent, isTouched: isTouched),
                &group)
        } catch {
            // What is in it is not known.
            deletion.forbid()
            fail(error, entry)
        }
    }

    /// - Returns: the target's directory, nil where it would be made, and nothing is; and what it had where it was there.
    private func directory(
        _ entry: Entry, in parent: Filling
    ) async throws -> (Target.Directory?, FileAttributes?) {
        guard let directory = parent.target else { return (nil, nil) }
        if let existing = entry.existing, existing.type == .directory {
            return (try await target.open(entry.final, existing, in: directory), existing.attributes)
        }
        if rules.dryRun { return (nil, nil) }
        parent.touch()
        return (try await target.makeDirectory(entry.final, in: directory), nil)
    }

    // MARK: Entries that are not directories

    private func begin(_ entry: Entry, _ filling: Filling, _ group: inout DiscardingTaskGroup) async {
        switch entry.node.type {
        case .regular:
            progress.found(bytes: entry.node.attributes.size)
        case .symbolicLink:
            break
        default:
            let what = "neither a file, a directory nor a link"
            gatherer.skip("\(source.path(entry.name, in: filling.source)): \(what)")
            progress.report(Item(.skip, entry.node.type, entry.path.description, detail: what))
            return
        }
        await slots.acquire()
        filling.hold()
        group.addTask { [self] in
            do {
                try await copy(entry, filling)
            } catch {
                fail(error, entry)
            }
            slots.release()
            await release(filling)
        }
    }

    private func copy(_ entry: Entry, _ filling: Filling) async throws {
        let isFile = entry.node.type == .regular
        var decision = Comparison.decide(
            source: entry.node.attributes, target: entry.existing?.attributes, rules: rules)
        if case .needsChecksum = decision {
            let isSame = try await isFile ? isSameContent(entry, filling) : isSameText(entry, filling)
            decision = Comparison.decide(
                source: entry.node.attributes, target: entry.existing?.attributes, rules: rules, isSameContent: isSame)
        }
        switch decision {
        case .copy(let reasons):
            try await makeWay(entry, filling)
            filling.touch()
            if isFile {
                try await copyFile(entry, filling, reasons)
            } else {
                try await copyLink(entry, filling, reasons)
            }
        case .attributesOnly(let reasons):
            if try await isLinked(entry, filling) { return }
            if let directory = filling.target, let existing = entry.existing, !rules.dryRun {
                try await target.set(
                    rules.attributes(entry.node.attributes), of: entry.final, existing, in: directory)
            }
            passed(entry, .attributes, reasons)
        case .unchanged:
            if try await isLinked(entry, filling) { return }
            passed(entry, .unchanged)
        case .skip(let why): passed(entry, .skip, detail: why.rawValue)
        case .needsChecksum: passed(entry, .unchanged)
        }
    }

    private func passed(
        _ entry: Entry, _ action: Item.Action, _ reasons: [Item.Reason] = [], detail: String? = nil
    ) {
        if entry.node.type == .regular { progress.passed(bytes: entry.node.attributes.size) }
        gatherer.add {
            switch action {
            case .attributes: $0.attributes += 1
            default: $0.unchanged += 1
            }
        }
        progress.report(
            Item(
                action, entry.node.type, entry.path.description, bytes: entry.node.attributes.size, reasons: reasons,
                detail: detail))
    }

    private func copyFile(_ entry: Entry, _ filling: Filling, _ reasons: [Item.Reason]) async throws {
        let size = entry.node.attributes.size
        let item = Item(
            entry.existing == nil ? .create : .update, .regular, entry.path.description, bytes: size, reasons: reasons)
        guard let directory = filling.target, !rules.dryRun else {
            progress.passed(bytes: size)
            gatherer.add {
                $0.files += 1
                $0.bytes += size
            }
            return progress.report(item)
        }
        let claim = await claim(entry)
        if case .copied(let first) = claim { return try await link(entry, to: first, in: directory) }
        do {
            let bytes = try await mover.copy(
                entry.name, entry.node, in: filling.source, following: entry.isFollowed, to: directory,
                as: entry.final)
            if claim != nil {
                links.finished(
                    entry.node.attributes,
                    at: try await target.location(entry.final, in: directory, path: entry.path))
            }
            gatherer.add {
                $0.files += 1
                $0.bytes += bytes
            }
            progress.report(item)
        } catch {
            if claim != nil { links.finished(entry.node.attributes, at: nil) }
            throw error
        }
    }

    // MARK: Hard links

    /// Nil where the file has no other names that count.
    private func claim(_ entry: Entry) async -> HardLinks<Target.Location>.Claim? {
        guard rules.hardLinks, entry.node.type == .regular, entry.node.attributes.linkCount > 1 else {
            return nil
        }
        return await links.claim(entry.node.attributes)
    }

    /// What is there as the source has it may still have to become another name of what was met before.
    ///
    /// - Returns: whether it was done.
    private func isLinked(_ entry: Entry, _ filling: Filling) async throws -> Bool {
        guard let directory = filling.target, let existing = entry.existing, !rules.dryRun else { return false }
        switch await claim(entry) {
        case nil: return false
        case .first:
            do {
                links.finished(
                    entry.node.attributes,
                    at: try await target.location(entry.final, in: directory, path: entry.path))
            } catch {
                links.finished(entry.node.attributes, at: nil)
                throw error
            }
            return false
        case .copied(let first):
            if first.fileID == existing.attributes.fileID { return false }
            filling.touch()
            try await link(entry, to: first, in: directory)
            return true
        }
    }

    private func link(
        _ entry: Entry, to first: LinkTarget<Target.Location>, in directory: Target.Directory
    ) async throws {
        try await target.link(first.location, as: entry.final, in: directory)
        gatherer.add { $0.hardLinks += 1 }
        progress.passed(bytes: entry.node.attributes.size)
        progress.report(Item(.hardLink, .regular, entry.path.description))
    }

    // MARK: Symbolic links

    private func isSameText(_ entry: Entry, _ filling: Filling) async throws -> Bool {
        guard let existing = entry.existing, let directory = filling.target else { return false }
        let wanted = try await source.readLink(entry.name, entry.node, in: filling.source)
        return try await target.readLink(entry.final, existing, in: directory) == wanted
    }

    private func copyLink(_ entry: Entry, _ filling: Filling, _ reasons: [Item.Reason]) async throws {
        if let directory = filling.target, !rules.dryRun {
            let text = try await source.readLink(entry.name, entry.node, in: filling.source)
            try await target.makeLink(
                entry.final, to: text, rules.linkAttributes(entry.node.attributes), in: directory)
        }
        gatherer.add { $0.links += 1 }
        progress.report(
            Item(entry.existing == nil ? .create : .update, .symbolicLink, entry.path.description, reasons: reasons))
    }

    // MARK: What is in the way

    private func isSameContent(_ entry: Entry, _ filling: Filling) async throws -> Bool {
        guard let directory = filling.target, let existing = entry.existing,
            existing.attributes.size == entry.node.attributes.size
        else { return false }
        async let wanted = source.checksum(entry.name, entry.node, in: filling.source)
        let found = try await target.checksum(entry.final, existing, in: directory)
        return try await wanted == found
    }

    /// A directory is never replaced by a file, nor the other way round, unless `--delete` says that it may go.
    ///
    /// - Throws: where it may not go.
    private func makeWay(_ entry: Entry, _ filling: Filling) async throws {
        guard let existing = entry.existing, let directory = filling.target,
            (existing.type == .directory) != (entry.node.type == .directory)
                || ![.regular, .symbolicLink, .directory].contains(existing.type)
        else { return }
        let path = target.path(entry.final, in: directory)
        // A device or a FIFO that somebody names is not meant to be replaced.
        guard rules.delete, !entry.isFollowed else {
            let what =
                switch existing.type {
                case .directory: "is a directory"
                case .regular, .symbolicLink: "is there, and not a directory"
                default: "is there, and not a regular file"
                }
            throw TransferError(.local, "\(path): \(what)\(entry.isFollowed ? "" : " (--delete replaces it)")")
        }
        // What is deleted to make way counts, and is bounded, like everything that is.
        try await deletion.makeWay(entry.final, existing, in: directory, entry.path)
    }

    private func fail(_ error: any Error, _ entry: Entry) {
        gatherer.fail(error)
        progress.report(Item(.fail, entry.node.type, entry.path.description, detail: "\(error)"))
    }

    // MARK: When all is in a directory

    /// Gives a directory up; the last one gives it its mode and times, which everything done in it would change, and
    /// gives up the one above.
    private func release(_ filling: Filling) async {
        var last: Filling? = filling
        while let done = last, done.holders.wrappingSubtract(1, ordering: .acquiringAndReleasing).newValue == 0 {
            await finish(done)
            last = done.parent
        }
    }

    private func finish(_ filling: Filling) async {
        guard let directory = filling.target, !rules.dryRun else { return }
        do {
            for name in filling.leftOvers.withLock({ $0 }) { try await removeLeftOver(name, directory) }
            // Deletions change the directory's time, and need its mode as it is.
            if filling.hasDoomed.load(ordering: .relaxed) || !filling.isTouched.load(ordering: .relaxed) { return }
            try await target.set(rules.directoryAttributes(filling.attributes, filling.before), of: directory)
        } catch {
            gatherer.fail(error)
        }
    }

    /// What a killed run has left, and this one had no use for.
    private func removeLeftOver(_ name: FileName, _ directory: Target.Directory) async throws {
        do {
            try await target.remove(name, in: directory)
        } catch let error as NFSError where error.status == .noEntry {
            // It has become a file.
        } catch let error as TransferError where error.errno == .noSuchFileOrDirectory {
        }
    }
}
