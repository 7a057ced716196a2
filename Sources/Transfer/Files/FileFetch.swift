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
        do {
            let missing = try await missing(source, part, flight)
            try await read(missing, of: source, into: part.file, named: directory.name(name), flight)
            try await check(source)
            try local(directory.name(name)) { () throws(SystemError) in
                try LocalAttributes.set(rules.attributes(source.attributes), of: part.file.raw)
                if rules.synchronize { try systemCall("fsync") { fsync(part.file.raw) } }
                try part.publish()
            }
        } catch {
            part.discard()
            throw error
        }
        isDone = true
        return source.attributes.size
    }

    /// The ranges that have to be read: all of it, less what an earlier run has left and is right.
    private func missing(
        _ source: Remote.Object, _ part: LocalPart, _ flight: FileInFlight
    ) async throws -> [Range<UInt64>] {
        let size = source.attributes.size
        _ = try local(part.path) { () throws(SystemError) in
            // What an earlier run has left may be longer.
            try systemCall("ftruncate") { ftruncate(part.file.raw, off_t(clamping: size)) }
        }
        return size == 0 ? [] : [0..<size]
    }

    /// Reads the ranges, many READs in flight.
    private func read(
        _ ranges: [Range<UInt64>], of source: Remote.Object, into file: SharedDescriptor, named localName: String,
        _ flight: FileInFlight
    ) async throws {
        if ranges.count == 1, let range = ranges.first, range.count <= remote.readSize {
            await remote.session.window.acquire()
            defer { remote.session.window.release() }
            return try await remote.readRange(source, range, into: file, named: localName) { flight.moved($0) }
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            var flying = 0
            for whole in ranges {
                var offset = whole.lowerBound
                while offset < whole.upperBound {
                    let range = offset..<min(whole.upperBound, offset + UInt64(remote.readSize))
                    await remote.session.window.acquire()
                    group.addTask {
                        defer { remote.session.window.release() }
                        try Task.checkCancellation()
                        try await remote.readRange(source, range, into: file, named: localName) { flight.moved($0) }
                    }
                    offset = range.upperBound
                    flying += 1
                    // A failure is seen while the file is being read, not after the last of a million ranges.
                    if flying > remote.session.callsInFlight {
                        try await group.next()
                        flying -= 1
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    /// The source must be what it was when its size was read: anything else is a mix of two files.
    ///
    /// Asked for once all bytes are here, for one READ too: a server takes the attributes in a READ's reply before it
    /// sends the bytes, and on a slow path long before the last of them.
    private func check(_ source: Remote.Object) async throws {
        if source.attributes.size == 0 { return }
        let now = try await remote.attributes(source.handle, subject: source.path).attributes
        guard now.size == source.attributes.size, now.modificationTime == source.attributes.modificationTime else {
            throw TransferError(.sourceChanged, "\(source.path): changed while it was read")
        }
    }
}
