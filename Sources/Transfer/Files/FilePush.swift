import Glibc
import Kernel
import NFS
import SystemPackage

/// Pushes one file: into a temporary name beside the target, committed, and renamed into place.
struct FilePush: FileMover {
    typealias Source = LocalTree
    typealias Target = RemoteTree

    let remote: Remote
    let rules: CopyRules
    let progress: Progress

    /// How often a file is written again because the server lost what it had not committed.
    private static let rounds = 5

    func copy(
        _ name: FileName, _ node: Node, in source: LocalDirectory, following: Bool, to target: RemoteDirectory,
        as final: FileName
    ) async throws -> UInt64 {
        let subject = source.name(name)
        let path = "\(target.path)/\(final)"
        let file = try local(subject) { () throws(SystemError) in
            SharedDescriptor(try source.open(name, O_RDONLY | O_NONBLOCK | (following ? 0 : O_NOFOLLOW)))
        }
        let before = try local(subject) { () throws(SystemError) in FileAttributes(try Files.status(file.raw)) }
        // Since it was listed it may have become a FIFO, which has no end.
        guard before.type == .regular else { throw TransferError(.sourceChanged, "\(subject): is no regular file") }
        let flight = progress.begin(subject, bytes: before.size)
        var isDone = false
        defer { progress.end(flight, isDone: isDone) }
        let part = try await RemotePart(of: final, in: target, on: remote)
        do {
            let missing = try await missing(file, before, part, flight)
            try await write(missing, of: file, to: part.handle, path, source: subject, flight)
            let after = try local(subject) { () throws(SystemError) in FileAttributes(try Files.status(file.raw)) }
            guard after.size == before.size, after.modificationTime == before.modificationTime else {
                throw TransferError(.sourceChanged, "\(subject): changed while it was read")
            }
            _ = try await remote.session.nfs(
                NFS.SetAttr.self, NFS.SetAttr.Arguments(part.handle, attributes(before)), subject: path)
            try await part.publish()
        } catch {
            // What was begun is taken back; the error that matters is the one that is thrown.
            await part.discard()
            throw error
        }
        isDone = true
        return before.size
    }

    /// The ranges that have to be written: all of it, less what an earlier run has left and is right.
    private func missing(
        _ file: SharedDescriptor, _ source: FileAttributes, _ part: RemotePart, _ flight: FileInFlight
    ) async throws -> [Range<UInt64>] {
        let size = source.size
        if part.left > 0 {
            // What an earlier run has left may be longer.
            _ = try await remote.session.nfs(
                NFS.SetAttr.self, NFS.SetAttr.Arguments(part.handle, SetAttributes(size: size)), subject: part.path)
        }
        return size == 0 ? [] : [0..<size]
    }

    /// An EXCLUSIVE CREATE may have kept its verifier in the mode and the times (RFC 1813 section 3.3.8): all are set.
    private func attributes(_ source: FileAttributes) -> SetAttributes {
        var attributes = rules.attributes(source)
        if !rules.preserve { (attributes.accessTime, attributes.modificationTime) = (.now, .now) }
        return attributes
    }

    /// Writes all of it, many WRITEs in flight, and commits; what the server lost by restarting in between is written
    /// again (RFC 1813 section 3.3.7: the verifier changes when uncommitted data may be lost).
    private func write(
        _ missing: [Range<UInt64>], of file: SharedDescriptor, to target: FileHandle, _ path: String, source: String,
        _ flight: FileInFlight
    ) async throws {
        var ranges = missing
        if ranges.isEmpty { return }
        for _ in 1...Self.rounds {
            let uncommitted = try await write(ranges, file, to: target, path, source: source, flight)
            // A server that answers FILE_SYNC has all of it on the disk.
            if uncommitted.isEmpty { return }
            let committed = try await remote.session.nfs(
                NFS.Commit.self, NFS.Commit.Arguments(target, offset: 0, count: 0), subject: path)
            ranges = uncommitted.lost(committed: committed.verifier)
            if ranges.isEmpty { return }
            flight.moved(-ranges.reduce(0) { $0 + Int(clamping: $1.count) })
        }
        throw TransferError(
            .server, "\(path): the server lost what was written, or said so by a new verifier, \(Self.rounds) times")
    }

    /// - Returns: what is not on stable storage yet.
    private func write(
        _ ranges: [Range<UInt64>], _ file: SharedDescriptor, to target: FileHandle, _ path: String, source: String,
        _ flight: FileInFlight
    ) async throws -> UncommittedRanges {
        try await withThrowingTaskGroup(of: UncommittedRanges.self) { group in
            var uncommitted = UncommittedRanges()
            var flying = 0
            for whole in ranges {
                var offset = whole.lowerBound
                while offset < whole.upperBound {
                    let range = offset..<min(whole.upperBound, offset + UInt64(remote.writeSize))
                    await remote.session.window.acquire()
                    group.addTask {
                        defer { remote.session.window.release() }
                        try Task.checkCancellation()
                        return try await writeRange(file, range, to: target, path, source: source, flight)
                    }
                    offset = range.upperBound
                    flying += 1
                    // A failure is seen while the file is being written, not after the last of a million ranges.
                    if flying > remote.session.callsInFlight, let some = try await group.next() {
                        uncommitted.formUnion(some)
                        flying -= 1
                    }
                }
            }
            for try await some in group { uncommitted.formUnion(some) }
            return uncommitted
        }
    }

    /// Writes a range, as many WRITEs as the server takes for it.
    private func writeRange(
        _ file: SharedDescriptor, _ range: Range<UInt64>, to target: FileHandle, _ path: String, source: String,
        _ flight: FileInFlight
    ) async throws -> UncommittedRanges {
        var uncommitted = UncommittedRanges()
        var offset = range.lowerBound
        while offset < range.upperBound {
            let left = Int(clamping: range.upperBound - offset)
            let written = try await remote.write(
                target, path: path, offset: offset, count: left, from: file, named: source, at: offset)
            guard written.count > 0, Int(written.count) <= left else {
                throw TransferError(
                    .server, "\(path): the server says that it wrote \(written.count) of \(left) bytes")
            }
            let end = offset + UInt64(written.count)
            if written.committed == .unstable { uncommitted.add(offset..<end, written.verifier) }
            offset = end
            flight.moved(Int(written.count))
        }
        return uncommitted
    }
}

extension NFSTime {
    init(_ time: timespec) { self.init(seconds: time.tv_sec, nanoseconds: time.tv_nsec) }
}
