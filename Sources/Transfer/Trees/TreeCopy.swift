import NFS
import Synchronization
import SystemPackage

/// Copies the data of one file from one side to the other.
protocol FileMover: Sendable {
    associatedtype Source: Tree
    associatedtype Target: WritableTree

    /// Makes the file, or replaces it in one step, with its attributes. Notes what of the file the copy cannot have
    /// (``Tree/losses(_:_:in:)``): it has it open.
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

    /// Nil where each file goes by itself.
    func together() async throws -> SmallFileLimits?

    /// The same for several small files at once.
    ///
    /// - Returns: for each its bytes, or why it is not there.
    func copy(_ files: [SmallFile<Source, Target>]) async -> [Result<UInt64, any Error>]
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
    /// Small files that are copied together; nil where none are.
    private let small = Mutex<SmallFileQueue<Waiting>?>(nil)
    private let smallCalls: Limiter
    private let links = HardLinks<Target.Location>()
    private let deletion: Deletion<Target>
    /// Where the copy goes; nil where it would be made, and nothing is.
    private let top = Mutex<Top?>(nil)

    private struct Top: Sendable {
        let directory: Target.Directory
        let fileID: UInt64
    }

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
        smallCalls = Limiter(min(rules.jobs, SmallFileLimits.calls))
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
        /// Its number with the ``Deletion``, where the target has what the source has not.
        let doomed = Mutex<Int?>(nil)
        /// Something was made in it, which has changed its times, or it has other attributes than it should.
        let isTouched: Atomic<Bool>
        /// See ``Locked``.
        let isLocked: Atomic<Bool>
        /// Who still needs it: the walk, each file under way, each directory in it.
        let holders = Atomic<Int>(1)

        init(
            _ source: Source.Directory, _ attributes: FileAttributes, _ target: Target.Directory?,
            before: FileAttributes?, _ path: RelativePath, in parent: Filling?, isTouched: Bool = true
        ) {
            self.isTouched = Atomic(isTouched)
            isLocked = Atomic(before.map(Locked.isLocked) ?? false)
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

    /// A small file that waits for others to be copied with.
    private struct Waiting: Sendable {
        let entry: Entry
        let filling: Filling
        let reasons: [Item.Reason]
    }

    /// Copies what is in a directory into another one.
    ///
    /// - Parameters:
    ///   - before: the target's attributes where it was there; nil where it was made for this or would be.
    func run(_ from: Source.Directory, into to: Target.Directory?, before: FileAttributes?) async {
        await withDiscardingTaskGroup { group in
            defer { progress.listedAll() }
            do {
                let attributes = try await source.attributes(from)
                guard let isTouched = begin(attributes, before) else { return }
                if !rules.dryRun, rules.jobs > 1, let limits = try await mover.together() {
                    let count = min(rules.jobs, SmallFileLimits.count)
                    small.withLock { $0 = SmallFileQueue(limits, count: count) }
                }
                if let to {
                    let fileID = try await target.attributes(to).fileID
                    top.withLock { $0 = Top(directory: to, fileID: fileID) }
                }
                deletion.keep(attributes.fileID) { [source] in try await source.attributes(from) }
                let top = Filling(from, attributes, to, before: before, RelativePath(), in: nil, isTouched: isTouched)
                await walk(top, &group)
                await begin(small.withLock { $0?.take() } ?? [], &group)
            } catch {
                gatherer.fail(error)
            }
        }
        if rules.delete, let to, !Task.isCancelled { await deletion.run(in: to) }
    }

    /// Says what is done with the top itself.
    ///
    /// - Returns: whether its attributes have to be set; nil where a rule leaves it out.
    private func begin(_ attributes: FileAttributes, _ before: FileAttributes?) -> Bool? {
        switch Comparison.decide(source: attributes, target: before, rules: rules) {
        case .unchanged: return false
        case .attributesOnly(let reasons):
            progress.report(Item(.attributes, .directory, RelativePath().description, reasons: reasons))
        case .skip(let why):
            progress.report(Item(.skip, .directory, RelativePath().description, detail: why.rawValue))
            return nil
        case .copy, .needsChecksum:
            progress.report(Item(.create, .directory, RelativePath().description))
        }
        return true
    }

    /// Copies one file, by the same rules; `name` may be a symbolic link to it, as cp(1) has it.
    ///
    /// - Parameters:
    ///   - final: its name in the target; nil: the same.
    ///   - existing: what has that name now; nil: that is not known.
    func run(
        _ node: Node, named name: FileName, in from: Source.Directory, into to: Target.Directory, as final: FileName?,
        existing known: Node?? = nil
    ) async {
        progress.found(bytes: node.attributes.size)
        progress.listedAll()
        do {
            let existing = if let known { known } else { try await target.find(final ?? name, in: to) }
            var entry = Entry(name, node, existing: existing, RelativePath([final ?? name]), as: final)
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
            let (index, there) = try await index(filling)
            // Files are copied as they are listed: a directory may have millions.
            try await source.list(filling.source, unreachable: unreachable) { page in
                for (name, node) in page {
                    try Task.checkCancellation()
                    if TemporaryName.isTemporary(name) { continue }
                    if rules.delete { names.insert(name) }
                    let path = filling.path / name
                    guard rules.filter.admits(path.components, isDirectory: node.type == .directory) else { continue }
                    let entry = Entry(name, node, existing: try existing(name, filling, index), path)
                    if node.type == .directory {
                        directories.append(entry)
                    } else {
                        await begin(entry, filling, &group)
                    }
                }
            }
            if rules.delete { doom(there, keeping: names, filling) }
        } catch {
            // What is not known to be gone is not deleted.
            deletion.forbid()
            gatherer.fail(error)
        }
        for (number, entry) in directories.enumerated() where !Task.isCancelled {
            for next in directories[(number + 1)...].prefix(Self.ahead) {
                prepare(next, filling)
            }
            await descend(entry, filling, &group)
        }
        await release(filling)
    }

    /// Directories of which the first page is asked for while another one is being looked at.
    private static var ahead: Int { 8 }

    private func prepare(_ next: Entry, _ filling: Filling) {
        source.prepareListing(next.name, next.node, in: filling.source)
        if let existing = next.existing, existing.type == .directory, let directory = filling.target {
            target.prepareListing(next.final, existing, in: directory)
        }
    }

    private func unreachable(_ error: any Error) {
        deletion.forbid()
        gatherer.fail(error)
    }

    /// Before something is made or removed in a directory.
    private func prepare(_ filling: Filling) async {
        filling.touch()
        guard filling.isLocked.load(ordering: .relaxed), let directory = filling.target, let before = filling.before,
            !rules.dryRun
        else { return }
        // Many tasks may do so at once, and to the same effect.
        await Locked.unlock(directory, before, in: target)
        filling.isLocked.store(false, ordering: .relaxed)
    }

    /// What a directory gets when all is in it.
    private func attributes(_ filling: Filling) -> SetAttributes {
        var attributes = rules.directoryAttributes(filling.attributes, filling.before)
        // It may have been unlocked.
        if attributes.mode == nil, let before = filling.before, Locked.isLocked(before) {
            attributes.mode = before.mode
        }
        return attributes
    }

    /// Notes what the target has and the source has not.
    ///
    /// - Parameter there: what the target had before anything was copied.
    private func doom(_ there: [FileName], keeping names: Set<FileName>, _ filling: Filling) {
        let doomed = there.filter { !names.contains($0) }
        if doomed.isEmpty { return }
        let number = deletion.note(
            doomed, in: filling.path, keeping: there.count - doomed.count, attributes(filling))
        filling.doomed.withLock { $0 = number }
    }

    /// What the target directory has, where it was there before: its names without those of unfinished copies.
    private func index(_ filling: Filling) async throws -> (Target.Index?, names: [FileName]) {
        guard let directory = filling.target, filling.before != nil else { return (nil, []) }
        let index = try await target.index(directory)
        var names = try target.names(directory, index)
        let leftOvers = names.filter { TemporaryName.tag(of: $0)?.isLeftOver ?? false }
        names.removeAll(where: TemporaryName.isTemporary)
        if !leftOvers.isEmpty {
            filling.leftOvers.withLock { $0 = leftOvers }
            await prepare(filling)
        }
        return (index, names)
    }

    private func existing(_ name: FileName, _ filling: Filling, _ index: Target.Index?) throws -> Node? {
        guard let directory = filling.target, let index else { return nil }
        return try target.find(name, in: directory, index)
    }

    private func descend(_ entry: Entry, _ parent: Filling, _ group: inout DiscardingTaskGroup) async {
        do {
            try await refuseTop(entry, parent)
            var isTouched = true
            switch Comparison.decide(
                source: entry.node.attributes, target: entry.existing?.attributes, rules: rules)
            {
            case .skip(let why): return passed(entry, .skip, detail: why.rawValue)
            case .unchanged: isTouched = false
            case .attributesOnly(let reasons):
                gatherer.add { $0.attributes += 1 }
                progress.report(Item(.attributes, .directory, entry.path.description, reasons: reasons))
            case .copy(let reasons):
                await prepare(parent)
                try await makeWay(entry, parent)
                progress.report(Item(.create, .directory, entry.path.description, reasons: reasons))
            case .needsChecksum: break
            }
            let from = try await source.open(entry.name, entry.node, in: parent.source)
            look(entry, parent.source)
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

    /// A copy of a directory into itself would never end: put into an export of one's own.
    private func refuseTop(_ entry: Entry, _ parent: Filling) async throws {
        guard let top = top.withLock({ $0 }), entry.node.attributes.fileID == top.fileID else { return }
        let from = try await source.open(entry.name, entry.node, in: parent.source)
        let isTop = try await SameDirectory.check { [source, target] in
            (try await source.attributes(from), try await target.attributes(top.directory))
        }
        if isTop {
            throw TransferError(
                .local, "\(source.path(from)): is the directory that is copied into, and not copied into itself")
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
        await prepare(parent)
        return (try await target.makeDirectory(entry.final, in: directory), nil)
    }

    // MARK: Entries that are not directories

    /// What is to be done with an entry.
    private enum Work {
        /// Nothing, and that was said.
        case none
        case alone
        /// A file that can be copied together with others.
        case copy([Item.Reason])
    }

    /// Says what is done with an entry for which nothing has to be done; for each a task, or only to wait for its turn,
    /// would cost more than to find that out.
    private func work(_ entry: Entry, _ filling: Filling) -> Work {
        switch entry.node.type {
        case .regular:
            progress.found(bytes: entry.node.attributes.size)
        case .symbolicLink:
            break
        default:
            let what = "neither a file, a directory nor a link"
            gatherer.skip("\(source.path(entry.name, in: filling.source)): \(what)")
            progress.report(Item(.skip, entry.node.type, entry.path.description, detail: what))
            return .none
        }
        if isLinked(entry) { return .alone }
        switch Comparison.decide(source: entry.node.attributes, target: entry.existing?.attributes, rules: rules) {
        case .unchanged: passed(entry, .unchanged)
        case .skip(let why): passed(entry, .skip, detail: why.rawValue)
        case .copy(let reasons): return entry.node.type == .regular ? .copy(reasons) : .alone
        case .attributesOnly, .needsChecksum: return .alone
        }
        return .none
    }

    private func begin(_ entry: Entry, _ filling: Filling, _ group: inout DiscardingTaskGroup) async {
        switch work(entry, filling) {
        case .none: break
        case .alone: await beginAlone(entry, filling, &group)
        case .copy(let reasons):
            let size = entry.node.attributes.size
            let full = small.withLock { small -> [Waiting]? in
                guard filling.target != nil, let limits = small?.limits, size <= limits.size else { return nil }
                filling.hold()
                return small?.append(Waiting(entry: entry, filling: filling, reasons: reasons), bytes: size)
            }
            if let full { await begin(full, &group) } else { await beginAlone(entry, filling, &group) }
        }
    }

    private func beginAlone(_ entry: Entry, _ filling: Filling, _ group: inout DiscardingTaskGroup) async {
        await slots.acquire()
        filling.hold()
        let isFirst = isLinked(entry) ? links.isFirst(entry.node.attributes) : nil
        group.addTask { [self] in
            do {
                try await copy(entry, filling, isFirst: isFirst)
            } catch {
                fail(error, entry)
            }
            slots.release()
            await release(filling)
        }
    }

    // MARK: Small files

    private func begin(_ files: [Waiting], _ group: inout DiscardingTaskGroup) async {
        if files.isEmpty { return }
        await smallCalls.acquire()
        group.addTask { [self] in
            await copy(files)
            smallCalls.release()
            for file in files { await release(file.filling) }
        }
    }

    private func copy(_ waiting: [Waiting]) async {
        var files: [(Waiting, SmallFile<Source, Target>)] = []
        files.reserveCapacity(waiting.count)
        for one in waiting {
            let (entry, filling) = (one.entry, one.filling)
            guard let directory = filling.target else { continue }
            do {
                look(entry, filling.source, isMoved: true)
                await prepare(filling)
                try await makeWay(entry, filling)
                let file = SmallFile<Source, Target>(
                    name: entry.name, node: entry.node, source: filling.source, target: directory, final: entry.final,
                    existing: entry.existing)
                files.append((one, file))
            } catch {
                fail(error, entry)
            }
        }
        for ((one, _), result) in zip(files, await mover.copy(files.map(\.1))) {
            switch result {
            case .success(let bytes): copied(one.entry, bytes: bytes, one.reasons)
            case .failure(let error): fail(error, one.entry)
            }
        }
    }

    /// - Parameter isFirst: whether it is the first name of a file that has several; nil where that does not count.
    private func copy(_ entry: Entry, _ filling: Filling, isFirst: Bool? = nil) async throws {
        guard let isFirst else {
            _ = try await copyAlone(entry, filling)
            return
        }
        let attributes = entry.node.attributes
        if !isFirst, case .copied(let first) = await links.claim(attributes) {
            return try await link(entry, to: first, filling)
        }
        do {
            let isKept = try await copyAlone(entry, filling)
            links.finished(attributes, at: try await place(entry, filling, isKept: isKept))
        } catch {
            links.finished(attributes, at: nil)
            throw error
        }
    }

    /// - Returns: whether what was there is still there.
    private func copyAlone(_ entry: Entry, _ filling: Filling) async throws -> Bool {
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
            look(entry, filling.source, isMoved: isFile && filling.target != nil && !rules.dryRun)
            // A directory that somebody names is that somebody's own to unlock.
            if entry.isFollowed { filling.touch() } else { await prepare(filling) }
            try await makeWay(entry, filling)
            if isFile {
                try await copyFile(entry, filling, reasons)
            } else {
                try await copyLink(entry, filling, reasons)
            }
            return false
        case .attributesOnly(let reasons):
            look(entry, filling.source)
            if try await setAttributes(entry, filling) {
                passed(entry, .attributes, reasons)
            } else {
                passed(entry, .unchanged)
            }
        case .unchanged: passed(entry, .unchanged)
        case .skip(let why): passed(entry, .skip, detail: why.rawValue)
        case .needsChecksum: passed(entry, .unchanged)
        }
        return true
    }

    /// Gives what is there the source's attributes.
    ///
    /// - Returns: whether something was set; the owner may have been all that differs, and is refused.
    private func setAttributes(_ entry: Entry, _ filling: Filling) async throws -> Bool {
        guard let directory = filling.target, let existing = entry.existing, !rules.dryRun else { return true }
        let source = entry.node.attributes
        return try await rules.withOwner(rules.attributes(source)) { attributes in
            if attributes.uid == nil,
                case .unchanged = Comparison.decide(
                    source: source, target: existing.attributes, rules: rules.withoutOwner, isSameContent: true)
            {
                return false
            }
            try await target.set(attributes, of: entry.final, existing, in: directory)
            return true
        }
    }

    /// Notes what of an object the copy cannot have.
    ///
    /// - Parameter isMoved: it is a file that the mover opens, and looks at then.
    private func look(_ entry: Entry, _ directory: Source.Directory, isMoved: Bool = false) {
        guard rules.preserve else { return }
        if !isMoved {
            for loss in source.losses(entry.name, entry.node, in: directory) {
                gatherer.notCarried.add(loss, source.path(entry.name, in: directory))
            }
        }
        let mode = entry.node.attributes.mode
        if entry.node.type == .regular, rules.mode(mode) & 0o6000 != mode & 0o6000 {
            gatherer.notCarried.add(.setID, source.path(entry.name, in: directory))
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
        guard let directory = filling.target, !rules.dryRun else {
            progress.passed(bytes: entry.node.attributes.size)
            return copied(entry, bytes: entry.node.attributes.size, reasons)
        }
        let bytes = try await mover.copy(
            entry.name, entry.node, in: filling.source, following: entry.isFollowed, to: directory, as: entry.final)
        copied(entry, bytes: bytes, reasons)
    }

    /// - Parameter bytes: that it has.
    private func copied(_ entry: Entry, bytes: UInt64, _ reasons: [Item.Reason]) {
        gatherer.add {
            $0.files += 1
            $0.add(bytes: bytes)
        }
        progress.report(
            Item(
                entry.existing == nil ? .create : .update, .regular, entry.path.description,
                bytes: entry.node.attributes.size, reasons: reasons))
    }

    // MARK: Hard links

    /// Whether its file may have other names that count.
    private func isLinked(_ entry: Entry) -> Bool {
        guard rules.hardLinks, entry.node.type == .regular, entry.node.attributes.linkCount > 1 else { return false }
        if case .skip = Comparison.decide(
            source: entry.node.attributes, target: entry.existing?.attributes, rules: rules)
        {
            return false
        }
        return true
    }

    /// Where the first name is, for the others.
    private func place(
        _ entry: Entry, _ filling: Filling, isKept: Bool
    ) async throws -> LinkTarget<Target.Location> {
        guard let directory = filling.target, !rules.dryRun else {
            return LinkTarget(location: nil, fileID: isKept ? entry.existing?.attributes.fileID : nil)
        }
        return try await target.location(entry.final, in: directory, path: entry.path)
    }

    /// A further name of what is there by now.
    private func link(_ entry: Entry, to first: LinkTarget<Target.Location>, _ filling: Filling) async throws {
        if let existing = entry.existing, existing.type == .regular, existing.attributes.fileID == first.fileID {
            return passed(entry, .unchanged)
        }
        await prepare(filling)
        try await makeWay(entry, filling)
        if let directory = filling.target, let location = first.location, !rules.dryRun {
            try await target.link(location, as: entry.final, in: directory)
        }
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
            try await rules.withOwner(rules.linkAttributes(entry.node.attributes)) {
                try await target.makeLink(entry.final, to: text, $0, in: directory)
            }
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
        if error is CancellationError { return }
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
            // The next run goes on with what is kept.
            if !Task.isCancelled && progress.kept.count.files == 0 {
                for name in filling.leftOvers.withLock({ $0 }) { try await removeLeftOver(name, directory) }
            }
            guard filling.isTouched.load(ordering: .relaxed) else { return }
            // Deletions change the directory's time, and need its mode as it is.
            if let number = filling.doomed.withLock({ $0 }) { return deletion.wait(with: number) }
            let attributes = attributes(filling)
            if attributes != SetAttributes() {
                try await rules.withOwner(attributes) { try await target.set($0, of: directory) }
            }
        } catch {
            gatherer.fail(error)
        }
    }

    /// What a killed run has left, and this one had no use for. Since the directory was listed another job of this process,
    /// or a new process, may have begun to write to that name.
    private func removeLeftOver(_ name: FileName, _ directory: Target.Directory) async throws {
        guard let claim = TemporaryClaim(leftOver: name, in: target.identity(directory)),
            TemporaryName.tag(of: name)?.isLeftOver ?? false
        else { return }
        defer { withExtendedLifetime(claim) {} }
        do {
            try await target.remove(name, in: directory)
        } catch let error as NFSError where error.status == .noEntry {
            // It has become a file.
        } catch let error as TransferError where error.errno == .noSuchFileOrDirectory {
        }
    }
}
