import Checksums
import Glibc
import Kernel
import NFS

/// Fetches one file: into a temporary name beside the target, checked, and renamed into place.
struct FileFetch: FileMover {
    typealias Source = RemoteTree
    typealias Target = LocalTree

    let remote: Remote
    let rules: CopyRules
    let progress: Progress

    func copy(
        _ name: FileName, _ node: Node, in source: RemoteDirectory, following: Bool, to target: LocalDirectory,
        as final: FileName
    ) async throws -> UInt64 {
        let path = "\(source.path)/\(name)"
        guard let handle = node.handle else {
            let found = try await remote.lookup(name, in: source.handle, path: path)
            return try await run(found, into: target, as: final)
        }
        return try await run(
            Remote.Object(handle: handle, attributes: node.attributes, path: path), into: target, as: final)
    }

    /// - Parameters:
    ///   - source: a regular file.
    ///   - directory: where the copy goes.
    ///   - name: its final name; what has it now is replaced in one step.
    /// - Returns: bytes of the file.
    func run(_ source: Remote.Object, into directory: LocalDirectory, as name: FileName) async throws -> UInt64 {
        if let there = try local(directory.name(name), { () throws(SystemError) in try directory.status(name) }),
            there.st_mode & S_IFMT != S_IFREG, there.st_mode & S_IFMT != S_IFLNK
        {
            // A device, say /dev/null, would be replaced by the rename.
            let isDirectory = there.st_mode & S_IFMT == S_IFDIR
            throw TransferError(
                .local, "\(directory.name(name)): is \(isDirectory ? "a directory" : "there, and not a regular file")")
        }
        let flight = progress.begin(source.path, bytes: source.attributes.size)
        var isDone = false
        defer { progress.end(flight, isDone: isDone) }
        let part = try local(directory.name(name)) { () throws(SystemError) in
            try LocalPart(of: name, in: directory)
        }
        var canResume = false
        do {
            let plan = try await plan(source, part, flight)
            canResume = plan.canResume
            if let after = try await read(plan, of: source, into: part.file, named: directory.name(name), flight) {
                try source.checkUnchanged(after)
            } else {
                try await remote.checkUnchanged(source)
            }
            try local(directory.name(name)) { () throws(SystemError) in
                // What is behind the end is the journal.
                if plan.journal != nil {
                    try systemCall("ftruncate") { ftruncate(part.file.raw, off_t(clamping: source.attributes.size)) }
                }
            }
            try await rules.withOwner(rules.attributes(source.attributes)) { attributes in
                try local(directory.name(name)) { () throws(SystemError) in
                    try LocalAttributes.set(attributes, of: part.file.raw)
                }
            }
            try local(directory.name(name)) { () throws(SystemError) in
                try synchronize(part.file.raw)
                try part.publish()
            }
        } catch {
            if canResume, Resume.keeps(after: error, flight, left: part.left) {
                progress.kept.add(bytes: UInt64(clamping: flight.doneBytes))
            } else {
                part.discard()
            }
            throw error
        }
        isDone = true
        return source.attributes.size
    }

    /// `--fsync`: what was written is on the disk.
    func synchronize(_ file: Int32) throws(SystemError) {
        guard rules.synchronize else { return }
        // That takes as long as the disk takes.
        EngineExecutor.mayBlock()
        try systemCall("fsync") { fsync(file) }
    }

    /// What has to be read, and how.
    private struct Plan {
        var missing: RangeList
        /// Where the server makes no checksums.
        var journal: PartJournal?
        /// The next run could go on with what is there.
        var canResume = false
        /// Zeros that come become holes: nobody knows before where they are.
        var findsHoles = false
    }

    /// Where the source has data, less what an earlier run has left and is right.
    private func plan(_ source: Remote.Object, _ part: LocalPart, _ flight: FileInFlight) async throws -> Plan {
        let size = source.attributes.size
        let isSparse = rules.sparse && size >= SparseRanges.smallestFile && source.attributes.used < size
        var plan = Plan(missing: RangeList(0..<size))
        if !isSparse && size < Resume.minimum {
            // A file that comes by one READ has its size by that.
            if part.left > 0 || size > UInt64(remote.readSize) { try resize(part, to: size) }
            return plan
        }
        let hasChecksums = try await remote.xfer()?.has(.xxh3) ?? false
        if isSparse {
            if let found = try await remote.segments(of: source, most: SparseRanges.most) {
                plan.missing = RangeList(found.segments).union(RangeList((found.next ?? size)..<size))
                    .intersection(RangeList(0..<size))
            } else {
                plan.findsHoles = true
            }
        }
        plan.canResume = hasChecksums && size >= Resume.minimum
        if plan.canResume, part.left >= Resume.minimum {
            do {
                plan.missing = try await unverified(plan.missing, source, part, flight)
            } catch is NFSError {
                // No checksum to verify the part by: READ will tell if the source is at fault.
                try resize(part, to: size)
                flight.moved(Int(clamping: size - min(size, plan.missing.count)) - flight.doneBytes)
            }
        } else if !hasChecksums, PartJournal.isFor(size: size) {
            let journal = PartJournal(of: source.attributes, in: part.file)
            let right = part.left > 0 ? try await journal.verified(part.path, flight) : RangeList()
            try local(part.path) { () throws(SystemError) in try journal.begin(right) }
            plan.missing = plan.missing.subtracting(right)
            (plan.journal, plan.canResume) = (journal, true)
        } else {
            try resize(part, to: size)
            flight.moved(Int(clamping: size - min(size, plan.missing.count)))
        }
        return plan
    }

    private func resize(_ part: LocalPart, to size: UInt64) throws(TransferError) {
        try local(part.path) { () throws(SystemError) in
            if part.left > 0 { try systemCall("ftruncate") { ftruncate(part.file.raw, 0) } }
            try systemCall("ftruncate") { ftruncate(part.file.raw, off_t(clamping: size)) }
        }
    }

    /// - Parameter data: where the source has data.
    private func unverified(
        _ data: RangeList, _ source: Remote.Object, _ part: LocalPart, _ flight: FileInFlight
    ) async throws -> RangeList {
        let size = source.attributes.size
        let left = try local(part.path) { () throws(SystemError) in
            // What an earlier run has left may be longer.
            try systemCall("ftruncate") { ftruncate(part.file.raw, off_t(clamping: size)) }
            return try SparseRanges.data(of: part.file.raw, size: size)
        }
        let blockSize = Resume.blockSize(of: size)
        return try await PartVerification(
            size: size, blockSize: blockSize, source: data, part: left,
            sourceChecksums: { range in
                // Reading it to compare would be fetching it.
                try await remote.checksums(of: source, range, blockSize: blockSize, .xxh3)?.blocks ?? []
            },
            partChecksums: { try await PartVerification.local(part.file, $0, blockSize: blockSize, named: part.path) }
        ).missing(flight)
    }

    /// Reads what is missing, many READs in flight.
    ///
    /// - Returns: the file's attributes of after the reading, where the server gives them with the bytes.
    private func read(
        _ plan: Plan, of source: Remote.Object, into file: SharedDescriptor, named localName: String,
        _ flight: FileInFlight
    ) async throws -> FileAttributes? {
        let (journal, findsHoles) = (plan.journal, plan.findsHoles)
        if plan.missing.ranges.count == 1, let range = plan.missing.ranges.first, range.count <= remote.readSize,
            journal == nil, !findsHoles
        {
            let count = Int(clamping: range.count)
            await remote.session.window.acquire(count)
            defer { remote.session.window.release(count) }
            let after = try await remote.readRange(source, range, into: file, named: localName) { flight.moved($0) }
            guard range.count == source.attributes.size, range.count <= Xfer.Capabilities.wholeReadMaximum,
                try await remote.xfer()?.hasWholeReads ?? false
            else { return nil }
            return after
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            var flying = 0
            try await plan.missing.forEachPiece(of: UInt64(remote.readSize), within: journal?.stretch ?? .max) {
                range in
                let count = Int(clamping: range.count)
                await remote.session.window.acquire(count)
                group.addTask {
                    defer { remote.session.window.release(count) }
                    try Task.checkCancellation()
                    try await remote.readRange(source, range, into: file, named: localName) { flight.moved($0) }
                    try local(localName) { () throws(SystemError) in
                        if findsHoles { try SparseRanges.punchZeros(file.raw, range) }
                        try journal?.finished(range)
                    }
                }
                flying += 1
                // A failure is seen while the file is being read, not after the last of a million ranges.
                if flying > remote.session.callsInFlight {
                    try await group.next()
                    flying -= 1
                }
            }
            try await group.waitForAll()
        }
        return nil
    }
}

extension Remote {
    /// The source must be what it was when its size was read: anything else is a mix of two files.
    ///
    /// Asked for once all bytes are here, for one READ too: a server that does not say otherwise (XFER_WHOLEREADS) takes
    /// the attributes in a READ's reply before it sends the bytes, and on a slow path long before the last of them.
    func checkUnchanged(_ source: Object) async throws {
        if source.attributes.size == 0 { return }
        try source.checkUnchanged(try await attributes(source.handle, subject: source.path).attributes)
    }
}

extension Remote.Object {
    fileprivate func checkUnchanged(_ now: FileAttributes) throws(TransferError) {
        guard now.size == attributes.size, now.modificationTime == attributes.modificationTime else {
            throw TransferError(.sourceChanged, "\(path): changed while it was read")
        }
    }
}
