import Glibc
import Kernel
import NFS
import SystemPackage

/// `xfer get`, `put` and `sync`: where a copy goes, and what it came to.
package struct Copy: Sendable {
    private let remote: Remote
    private let rules: CopyRules
    private let progress: Progress
    private let gatherer: Gatherer

    package init(remote: Remote, rules: CopyRules, progress: Progress) {
        self.init(remote: remote, rules: rules, progress: progress, gatherer: Gatherer(telling: progress))
    }

    private init(remote: Remote, rules: CopyRules, progress: Progress, gatherer: Gatherer) {
        self.gatherer = gatherer
        self.remote = remote
        self.rules = rules
        self.progress = progress
    }

    /// How the place of a copy is found.
    package enum Placement: Sendable {
        /// By the rules of cp(1) and scp(1): into a directory that is there, otherwise the copy's name.
        case named
        /// By those of rsync(1): the target is a directory, made if there is none, and gets the source in it, or, where
        /// that ends in a slash, what is in the source.
        case synchronized
        /// The destination is the copy's own name, whatever is there: cp(1)'s -T.
        case exactName
    }

    // MARK: Several at once

    /// Fetches several things of one server; what cannot be begun does not keep the others from it.
    ///
    /// - Throws: where the only one cannot be begun, or the connection is gone.
    package func get(_ sources: [RemoteSource], to destination: String, _ placement: Placement) async throws -> Report {
        try refuseDeletingEachOther(sources.map { $0.contents ? nil : Self.split($0.path).name })
        if placement == .named, sources.count > 1 {
            try refuseReplacingEachOther(sources.map(\.path))
            var status = stat()
            guard stat(destination, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
                throw Self.needsDirectory(destination)
            }
        }
        return try await each(sources) { source in
            let copy = try await at(source.path)
            _ = try await copy.get(source.path, to: destination, placement, contents: source.contents)
        }
    }

    /// A thing on the server to be fetched.
    package struct RemoteSource: Sendable {
        package let path: String
        /// What is in it is copied, and not the directory itself.
        package let contents: Bool

        package init(path: String, contents: Bool) {
            self.path = path
            self.contents = contents
        }
    }

    /// Pushes several things; see ``get(_:to:_:)``.
    ///
    /// - Parameter sources: local paths; for ``Placement/synchronized`` one that ends in a slash stands for what is in it.
    package func put(_ sources: [String], to destination: String, _ placement: Placement) async throws -> Report {
        try refuseDeletingEachOther(
            sources.map { placement == .synchronized && $0.hasSuffix("/") ? nil : Self.split($0).name })
        if placement == .named, sources.count > 1 {
            try refuseReplacingEachOther(sources)
            let place = "\(remote.session.host):\(destination)"
            do {
                guard try await remote.find(destination).attributes.type == .directory else {
                    throw Self.needsDirectory(place)
                }
            } catch let error as NFSError where error.status == .noEntry {
                throw Self.needsDirectory(place)
            }
        }
        return try await each(sources) { source in
            _ = try await put(
                source, to: destination, placement, contents: placement == .synchronized && source.hasSuffix("/"))
        }
    }

    /// With `--delete` the second source would take away what the first one has brought to the same directory.
    ///
    /// - Parameter names: what each is called in the target; nil where it is what is in the source that goes there.
    private func refuseDeletingEachOther(_ names: [String?]) throws(TransferError) {
        guard rules.delete, names.count > 1 else { return }
        let own = Set(names.compactMap { $0 }).subtracting(["", ".", ".."])
        guard own.count == names.count else {
            throw TransferError(
                .local,
                "nothing is copied: --delete would take away of one source what another has brought to the same place; "
                    + "copy them one by one to places of their own")
        }
    }

    /// The second would take the first one's name and what it has brought.
    private static func needsDirectory(_ destination: String) -> TransferError {
        TransferError(.local, "\(destination): is no directory, and several sources need one; nothing is copied")
    }

    /// As cp(1) has it: of two sources of one name only the last would be there in the end.
    private func refuseReplacingEachOther(_ sources: [String]) throws(TransferError) {
        var paths: [String: String] = [:]
        for source in sources {
            let path = Self.trimmed(source)
            let name = Self.split(source).name
            if ["", ".", ".."].contains(name) { continue }
            guard let other = paths.updateValue(path, forKey: name), other != path else { continue }
            throw TransferError(
                .local, "nothing is copied: \(other) and \(path) would have the same name in the destination")
        }
    }

    private func each<Source>(_ sources: [Source], _ body: (Source) async throws -> Void) async throws -> Report {
        for source in sources {
            do {
                try Task.checkCancellation()
                try await body(source)
            } catch let error where sources.count == 1 || error is CancellationError {
                throw error
            } catch let error as TransferError where error.kind == .connection {
                throw error
            } catch {
                gatherer.fail(error)
            }
        }
        return try result()
    }

    private func result() throws -> Report {
        var report = try gatherer.result()
        report.resumable = progress.kept.count
        if rules.ownership.isRefused { report.notes.append(Ownership.note) }
        return report
    }

    /// This copy in the export that holds `path`.
    private func at(_ path: String) async throws -> Copy {
        if remote.contains(path) { return self }
        return Copy(
            remote: try await Remote.mount(remote.session, path: path), rules: rules, progress: progress,
            gatherer: gatherer)
    }

    // MARK: Fetching

    /// Fetches `path` on the server to `destination`.
    ///
    /// - Parameter contents: what is in the directory `path` is copied, and not the directory itself: for
    ///   ``Placement/synchronized``.
    /// - Throws: what kept it from beginning; what happened to single files is in the report.
    package func get(
        _ path: String, to destination: String, _ placement: Placement = .named, contents: Bool = false
    ) async throws -> Report {
        let source = try await remote.find(path)
        let last = path.split(separator: "/").last.map(String.init)
        switch source.attributes.type {
        case .regular:
            // A file of that name is not what was asked for.
            if placement == .named, destination.hasSuffix("/"), access(destination, F_OK) != 0 {
                throw TransferError(.local, "\(destination): there is no such directory")
            }
            let (parent, name) = try localPlace(destination, named: last, placement)
            let top = TreeCopy(
                from: RemoteTree(remote: remote), to: LocalTree(top: parent), by: fetch, rules: rules,
                progress: progress, gatherer: gatherer)
            await top.run(
                Node(attributes: source.attributes, handle: source.handle), named: FileName(last ?? ""),
                in: RemoteDirectory(handle: source.handle, path: Self.above(source.path)), into: parent, as: name)
        case .directory:
            guard rules.recursive else {
                throw TransferError(.local, "\(source.path): is a directory (-r fetches directories)")
            }
            let (parent, name) = try localPlace(destination, named: contents ? nil : last, placement)
            let (target, before) = try localDirectory(name, in: parent)
            await TreeCopy(
                from: RemoteTree(remote: remote), to: LocalTree(top: target ?? parent), by: fetch, rules: rules,
                progress: progress, gatherer: gatherer
            ).run(RemoteDirectory(handle: source.handle, path: source.path), into: target, before: before)
        default:
            throw TransferError(.server, "\(source.path): neither a file nor a directory")
        }
        return try result()
    }

    private var fetch: FileFetch { FileFetch(remote: remote, rules: rules, progress: progress) }

    /// The directory a copy goes into and its name there; nil where its contents go into the directory itself.
    private func localPlace(
        _ destination: String, named source: String?, _ placement: Placement
    ) throws(TransferError) -> (LocalDirectory, FileName?) {
        var status = stat()
        let isThere = stat(destination, &status) == 0
        // /dev/stdout is a symbolic link, which the rename would replace; what it leads to counts.
        guard !isThere || [S_IFDIR, S_IFREG].contains(status.st_mode & S_IFMT) else {
            throw TransferError(.local, "\(destination): is there, and neither a file nor a directory")
        }
        if isThere, placement != .exactName, status.st_mode & S_IFMT == S_IFDIR {
            let directory = try local(destination) { () throws(SystemError) in try LocalDirectory(path: destination) }
            // The root of an export has no name of its own: its contents go into the directory itself.
            return (directory, source.map { FileName($0) })
        }
        let (above, last) = Self.split(destination)
        guard !last.isEmpty else { throw TransferError(.local, "'\(destination)': no name for the copy") }
        let directory = try local(above) { () throws(SystemError) in try LocalDirectory(path: above) }
        guard placement == .synchronized else { return (directory, FileName(last)) }
        if isThere { throw TransferError(.local, "\(destination): is not a directory") }
        guard let source else { return (directory, FileName(last)) }
        // What is in it would be new, wherever it is.
        if makesNothing { return (directory, FileName(last)) }
        let made = try local(directory.name(FileName(last))) { () throws(SystemError) in
            try directory.makeDirectory(FileName(last), mode: 0o777)
            return try directory.directory(FileName(last))
        }
        return (made, FileName(source))
    }

    /// - Returns: nil where the directory would be made, and nothing is; and its attributes where it was there.
    private func localDirectory(
        _ name: FileName?, in parent: LocalDirectory
    ) throws(TransferError) -> (LocalDirectory?, FileAttributes?) {
        guard let name else {
            let status = try local(parent.path) { () throws(SystemError) in try Files.status(parent.raw) }
            return (parent, FileAttributes(status))
        }
        return try local(parent.name(name)) { () throws(SystemError) in
            let before = try parent.status(name).map { FileAttributes($0) }
            if before == nil {
                if makesNothing { return (nil, nil) }
                try parent.makeDirectory(name)
            }
            return (try parent.directory(name), before)
        }
    }

    // MARK: Pushing

    /// Pushes the local `path` to `destination` on the server, by the same rules.
    package func put(
        _ path: String, to destination: String, _ placement: Placement = .named, contents: Bool = false
    ) async throws -> Report {
        if remote.session.options.readOnly, !rules.dryRun {
            throw TransferError(.server, "\(remote.session.host):\(destination): mounted read-only (-o ro)")
        }
        var status = stat()
        _ = try local(path) { () throws(SystemError) in try systemCall("stat") { stat(path, &status) } }
        let (above, last) = Self.split(path)
        switch status.st_mode & S_IFMT {
        case S_IFREG:
            let source = try local(above) { () throws(SystemError) in try LocalDirectory(path: above) }
            let (parent, name, existing) = try await remotePlace(destination, named: last, placement)
            let top = TreeCopy(
                from: LocalTree(top: source), to: RemoteTree(remote: remote), by: push, rules: rules,
                progress: progress, gatherer: gatherer)
            await top.run(
                Node(attributes: FileAttributes(status), handle: nil), named: FileName(last), in: source, into: parent,
                as: name, existing: existing)
        case S_IFDIR:
            guard rules.recursive else {
                throw TransferError(.local, "\(path): is a directory (-r pushes directories)")
            }
            let source = try local(path) { () throws(SystemError) in try LocalDirectory(path: path) }
            // `.`, `..` and `/` name no directory to make: their contents go into the destination itself.
            let isNameless = contents || ["", ".", ".."].contains(last)
            let (parent, name, _) = try await remotePlace(destination, named: isNameless ? nil : last, placement)
            let (target, before) = try await remoteDirectory(name, in: parent)
            await TreeCopy(
                from: LocalTree(top: source), to: RemoteTree(remote: remote), by: push, rules: rules,
                progress: progress, gatherer: gatherer
            ).run(source, into: target, before: before)
        default:
            throw TransferError(.local, "\(path): neither a file nor a directory")
        }
        return try result()
    }

    /// Pushes what can be read from `input` up to its end to the file `destination`.
    ///
    /// - Throws: what kept it from being done; then nothing is there that was not there before.
    package func put(stream input: Int32, to destination: String) async throws -> Report {
        if remote.session.options.readOnly {
            throw TransferError(.server, "\(remote.session.host):\(destination): mounted read-only (-o ro)")
        }
        let (directory, name, _) = try await remotePlace(destination, named: nil, .named)
        guard let name else {
            throw TransferError(
                .server, "\(directory.path): is a directory; what is read from standard input needs a name in it")
        }
        let path = "\(directory.path)/\(name)"
        do {
            let there = try await remote.lookup(name, in: directory.handle, path: path).attributes.type
            guard [.regular, .symbolicLink].contains(there) else {
                throw TransferError(.server, "\(path): is there, and not a regular file")
            }
            if rules.ignoreExisting { return try leftOut(name, .there) }
        } catch let error as NFSError where error.status == .noEntry {
            if rules.existing { return try leftOut(name, .notThere) }
        }
        progress.found(bytes: 0)
        if rules.dryRun { return try result() }
        let bytes = try await StreamPush(remote: remote, rules: rules, progress: progress)
            .run(input, into: directory, as: name)
        progress.listedAll()
        gatherer.add {
            $0.files += 1
            $0.add(bytes: bytes)
        }
        progress.report(Item(.create, .regular, name.description, bytes: bytes))
        return try result()
    }

    /// Standard input that a rule leaves out: nothing of it is read.
    private func leftOut(_ name: FileName, _ why: Decision.Skip) throws -> Report {
        gatherer.add { $0.unchanged += 1 }
        progress.listedAll()
        progress.report(Item(.skip, .regular, name.description, detail: why.rawValue))
        return try result()
    }

    private var push: FilePush {
        FilePush(remote: remote, rules: rules, progress: progress, notCarried: gatherer.notCarried)
    }

    /// - Returns: the directory a copy goes into, its name there, and what has that name now, where that is known.
    private func remotePlace(
        _ destination: String, named source: String?, _ placement: Placement
    ) async throws -> (RemoteDirectory, FileName?, existing: Node??) {
        let way = try await remote.way(to: destination)
        var isThere = false
        // What is not there is the copy's own name.
        if case .success(let there) = way.object {
            if there.attributes.type == .directory, placement != .exactName {
                return (RemoteDirectory(handle: there.handle, path: there.path), source.map { FileName($0) }, nil)
            }
            isThere = true
        }
        let components = destination.split(separator: "/")
        guard let last = components.last else {
            throw TransferError(.server, "\(remote.session.host):\(destination): no name for the copy")
        }
        let parent: RemoteDirectory
        if let directory = way.directory {
            parent = directory
        } else {
            let found = try await remote.find("/" + components.dropLast().joined(separator: "/"))
            guard found.attributes.type == .directory else {
                throw TransferError(.server, "\(found.path): is not a directory")
            }
            parent = RemoteDirectory(handle: found.handle, path: found.path)
        }
        let name = FileName(String(last))
        guard placement == .synchronized else {
            let there = try? way.object.get()
            return (parent, name, .some(there.map { Node(attributes: $0.attributes, handle: $0.handle) }))
        }
        if isThere {
            throw TransferError(.server, "\(remote.session.host):\(destination): is not a directory")
        }
        guard let source, !makesNothing else { return (parent, name, nil) }
        let path = "\(parent.path)/\(last)"
        let handle = try await remote.makeDirectory(name, in: parent.handle, path: path)
        let mode = SetAttributes(mode: rules.mode(0o777))
        _ = try await remote.session.nfs(NFS.SetAttr.self, NFS.SetAttr.Arguments(handle, mode), subject: path)
        return (RemoteDirectory(handle: handle, path: path), FileName(source), nil)
    }

    private func remoteDirectory(
        _ name: FileName?, in parent: RemoteDirectory
    ) async throws -> (RemoteDirectory?, FileAttributes?) {
        guard let name else {
            return (parent, try await remote.attributes(parent.handle, subject: parent.path).attributes)
        }
        let path = "\(parent.path)/\(name)"
        do {
            let there = try await remote.lookup(name, in: parent.handle, path: path)
            guard there.attributes.type == .directory else {
                throw TransferError(.server, "\(path): is not a directory")
            }
            return (RemoteDirectory(handle: there.handle, path: path), there.attributes)
        } catch let error as NFSError where error.status == .noEntry {
            if makesNothing { return (nil, nil) }
            let handle = try await remote.makeDirectory(name, in: parent.handle, path: path)
            return (RemoteDirectory(handle: handle, path: path), nil)
        }
    }

    /// The target's directory is not made where it is not there.
    private var makesNothing: Bool { rules.dryRun || rules.existing }

    // MARK: Names

    /// The directory of a path and the name in it.
    private static func split(_ path: String) -> (directory: String, name: String) {
        let trimmed = trimmed(path)
        guard let slash = trimmed.lastIndex(of: "/") else { return (".", trimmed) }
        return (
            slash == trimmed.startIndex ? "/" : String(trimmed[..<slash]),
            String(trimmed[trimmed.index(after: slash)...])
        )
    }

    private static func above(_ path: String) -> String { split(path).directory }

    /// Without the slashes at its end, but for the root's.
    private static func trimmed(_ path: String) -> String {
        var path = path[...]
        while path.count > 1, path.hasSuffix("/") { path = path.dropLast() }
        return String(path)
    }
}
