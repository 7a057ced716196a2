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
        let temporary = TemporaryName.make(for: final)
        let place = DirectoryOperation(target, temporary)
        let created = try await remote.session.nfs(
            NFS.Create.self, NFS.Create.Arguments(place, .exclusive(UInt64.random(in: 0 ... .max))), subject: path)
        do {
            let handle: FileHandle
            if let object = created.object {
                handle = object
            } else {
                handle = try await remote.lookup(temporary, in: target, path: path).handle
            }
            try await write(file, size: UInt64(clamping: before.st_size), to: handle, path, source: subject)
            let after = try local(subject) { () throws(SystemError) in try Files.status(file.raw) }
            guard after.st_size == before.st_size, after.st_mtim.tv_sec == before.st_mtim.tv_sec,
                after.st_mtim.tv_nsec == before.st_mtim.tv_nsec
            else { throw TransferError(.sourceChanged, "\(subject): changed while it was read") }
            _ = try await remote.session.nfs(
                NFS.SetAttr.self, NFS.SetAttr.Arguments(handle, attributes(before)), subject: path)
            try await rename(temporary, to: final, in: target, handle, path)
        } catch {
            // What was begun is taken back; the error that matters is the one that is thrown.
            _ = try? await remote.session.nfs(NFS.Remove.self, place, subject: path)
            throw error
        }
        progress.finishedFile()
        return UInt64(clamping: before.st_size)
    }

    private func attributes(_ status: stat) -> SetAttributes {
        // An EXCLUSIVE CREATE may have kept its verifier in the times (RFC 1813 section 3.3.8): both are set.
        SetAttributes(
            mode: options.mode(UInt32(status.st_mode)),
            accessTime: options.preserve ? .at(NFSTime(status.st_atim)) : .now,
            modificationTime: options.preserve ? .at(NFSTime(status.st_mtim)) : .now)
    }

    /// Writes all of it, many WRITEs in flight, and commits; once more where the server restarted in between
    /// (RFC 1813 section 3.3.7: the verifier changes when uncommitted data may be lost).
    private func write(
        _ file: SharedDescriptor, size: UInt64, to target: FileHandle, _ path: String, source: String
    ) async throws {
        if size == 0 { return }
        for _ in 1...Self.rounds {
            let verifiers = try await writeAll(file, size: size, to: target, path, source: source)
            if verifiers.isEmpty { return }
            let committed = try await remote.session.nfs(
                NFS.Commit.self, NFS.Commit.Arguments(target, offset: 0, count: 0), subject: path)
            if verifiers == [committed.verifier] { return }
            progress.moved(-Int(clamping: size))
        }
        throw TransferError(.server, "\(path): the server restarted \(Self.rounds) times while the file was written")
    }

    /// - Returns: the verifiers of all WRITEs that are not on stable storage yet.
    private func writeAll(
        _ file: SharedDescriptor, size: UInt64, to target: FileHandle, _ path: String, source: String
    ) async throws -> Set<NFS.Verifier> {
        try await withThrowingTaskGroup(of: Set<NFS.Verifier>.self) { group in
            var verifiers: Set<NFS.Verifier> = []
            var offset: UInt64 = 0
            var flying = 0
            while offset < size {
                let range = offset..<min(size, offset + UInt64(remote.writeSize))
                await remote.session.window.acquire()
                group.addTask {
                    defer { remote.session.window.release() }
                    try Task.checkCancellation()
                    return try await writeRange(file, range, to: target, path, source: source)
                }
                offset = range.upperBound
                flying += 1
                // A failure is seen while the file is being written, not after the last of a million ranges.
                if flying > remote.session.callsInFlight, let some = try await group.next() {
                    verifiers.formUnion(some)
                    flying -= 1
                }
            }
            for try await some in group { verifiers.formUnion(some) }
            return verifiers
        }
    }

    /// Writes a range, as many WRITEs as the server takes for it.
    private func writeRange(
        _ file: SharedDescriptor, _ range: Range<UInt64>, to target: FileHandle, _ path: String, source: String
    ) async throws -> Set<NFS.Verifier> {
        var verifiers: Set<NFS.Verifier> = []
        var offset = range.lowerBound
        while offset < range.upperBound {
            let left = Int(clamping: range.upperBound - offset)
            let written = try await remote.write(
                target, path: path, offset: offset, count: left, from: file, named: source, at: offset)
            guard written.count > 0, Int(written.count) <= left else {
                throw TransferError(.server, "\(path): the server wrote \(written.count) of \(left) bytes")
            }
            if written.committed == .unstable { verifiers.insert(written.verifier) }
            offset += UInt64(written.count)
            progress.moved(Int(written.count))
        }
        return verifiers
    }

    /// RENAME is not repeatable: where its reply was lost, the name tells whether it was done.
    private func rename(
        _ temporary: FileName, to final: FileName, in directory: FileHandle, _ handle: FileHandle, _ path: String
    ) async throws {
        let arguments = NFS.Rename.Arguments(
            from: DirectoryOperation(directory, temporary), to: DirectoryOperation(directory, final))
        do {
            _ = try await remote.session.nfs(NFS.Rename.self, arguments, repeatable: false, subject: path)
        } catch let error as TransferError where error.kind == .connection {
            let mine = try await remote.attributes(handle, subject: path).attributes
            let there = try? await remote.lookup(final, in: directory, path: path).attributes
            if let there, there.fileID == mine.fileID, there.fileSystem == mine.fileSystem { return }
            _ = try await remote.session.nfs(NFS.Rename.self, arguments, repeatable: false, subject: path)
        }
    }
}

extension NFSTime {
    init(_ time: timespec) { self.init(seconds: time.tv_sec, nanoseconds: time.tv_nsec) }
}
