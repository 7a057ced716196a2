import Glibc
import Kernel
import NFS
import SystemPackage

/// Pushes one file: into a temporary name beside the target, committed, and renamed into place.
struct FilePush {
    let remote: Remote
    let options: CopyOptions
    let progress: Progress

    /// How often a file is written again because the server lost what it had not committed.
    private static let rounds = 5

    /// - Parameters:
    ///   - name: of a regular file in `source`.
    ///   - following: whether `name` may be a symbolic link to one: where a person named it, as cp(1) has it.
    ///   - target: the directory on the server, its path in `directoryPath`.
    ///   - final: the file's name there; what has it now is replaced in one step.
    /// - Returns: bytes of the file.
    func run(
        _ source: LocalDirectory, _ name: FileName, following: Bool = false, into target: FileHandle,
        _ directoryPath: String, as final: FileName
    ) async throws -> UInt64 {
        let subject = source.name(name)
        let path = "\(directoryPath)/\(final)"
        let file = try local(subject) { () throws(SystemError) in
            SharedDescriptor(try source.open(name, O_RDONLY | (following ? 0 : O_NOFOLLOW)))
        }
        let before = try local(subject) { () throws(SystemError) in try Files.status(file.raw) }
        let flight = progress.begin(subject, bytes: UInt64(clamping: before.st_size))
        var isDone = false
        defer { progress.end(flight, isDone: isDone) }
        let temporary = TemporaryName.make(for: final)
        let place = DirectoryOperation(target, temporary)
        let created = try await create(place, path)
        do {
            let handle: FileHandle
            if let object = created.object {
                handle = object
            } else {
                handle = try await remote.lookup(temporary, in: target, path: path).handle
            }
            try await write(file, size: UInt64(clamping: before.st_size), to: handle, path, source: subject, flight)
            let after = try local(subject) { () throws(SystemError) in try Files.status(file.raw) }
            guard after.st_size == before.st_size, after.st_mtim.tv_sec == before.st_mtim.tv_sec,
                after.st_mtim.tv_nsec == before.st_mtim.tv_nsec
            else { throw TransferError(.sourceChanged, "\(subject): changed while it was read") }
            _ = try await remote.session.nfs(
                NFS.SetAttr.self, NFS.SetAttr.Arguments(handle, attributes(before)), subject: path)
            try await remote.publish(temporary, as: final, in: target, handle, path)
        } catch {
            // What was begun is taken back; the error that matters is the one that is thrown.
            _ = try? await remote.session.nfs(NFS.Remove.self, place, subject: path)
            throw error
        }
        isDone = true
        return UInt64(clamping: before.st_size)
    }

    /// EXCLUSIVE, which may be sent twice to any server; GUARDED where the server cannot do that (RFC 1813 section 3.3.8).
    private func create(_ place: DirectoryOperation, _ path: String) async throws -> NFS.Created {
        do {
            return try await remote.session.nfs(
                NFS.Create.self, NFS.Create.Arguments(place, .exclusive(UInt64.random(in: 0 ... .max))), subject: path)
        } catch let error as NFSError where error.status == .notSupported {
            return try await remote.session.nfs(
                NFS.Create.self, NFS.Create.Arguments(place, .guarded(SetAttributes(mode: 0o600))),
                subject: path)
        }
    }

    private func attributes(_ status: stat) -> SetAttributes {
        // An EXCLUSIVE CREATE may have kept its verifier in the times (RFC 1813 section 3.3.8): both are set.
        SetAttributes(
            mode: options.mode(UInt32(status.st_mode)),
            accessTime: options.preserve ? .at(NFSTime(status.st_atim)) : .now,
            modificationTime: options.preserve ? .at(NFSTime(status.st_mtim)) : .now)
    }

    /// Writes all of it, many WRITEs in flight, and commits; what the server lost by restarting in between is written
    /// again (RFC 1813 section 3.3.7: the verifier changes when uncommitted data may be lost).
    private func write(
        _ file: SharedDescriptor, size: UInt64, to target: FileHandle, _ path: String, source: String,
        _ flight: FileInFlight
    ) async throws {
        if size == 0 { return }
        var ranges = [0..<size]
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
