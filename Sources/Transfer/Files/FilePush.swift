import Checksums
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
    let notCarried: NotCarried

    func copy(
        _ name: FileName, _ node: Node, in source: LocalDirectory, following: Bool, to target: RemoteDirectory,
        as final: FileName
    ) async throws -> UInt64 {
        let subject = source.name(name)
        let path = "\(target.path)/\(final)"
        let file = try local(subject) { () throws(SystemError) in
            SharedDescriptor(try source.open(name, O_RDONLY | O_NONBLOCK | (following ? 0 : O_NOFOLLOW)))
        }
        let status = try local(subject) { () throws(SystemError) in try Files.status(file.raw) }
        let before = FileAttributes(status)
        // Since it was listed it may have become a FIFO, which has no end.
        guard before.type == .regular else { throw TransferError(.sourceChanged, "\(subject): is no regular file") }
        if rules.preserve {
            for loss in LocalTree.losses(of: file.raw, status) { notCarried.add(loss, subject) }
        }
        let flight = progress.begin(subject, bytes: before.size)
        var isDone = false
        defer { progress.end(flight, isDone: isDone) }
        let xfer = try await remote.xfer()
        // One call has no room for holes.
        let isSparse = rules.sparse && before.size >= SparseRanges.smallestFile && before.used < before.size
        if let xfer, xfer.isWritable, !isSparse, before.size <= UInt64(min(xfer.putMaximum, Self.small)) {
            let claim = RemotePart.claim(final, in: target, on: remote)
            _ = try await rules.withOwner(attributes(before)) {
                try await remote.put(
                    SmallSource(file, status, name: subject), in: target.handle, final, path: path,
                    temporary: claim.name, attributes: $0)
            }
            flight.moved(Int(clamping: before.size))
            isDone = true
            return before.size
        }
        let part = try await RemotePart(of: final, in: target, on: remote)
        do {
            let missing = try await missing(file, before, part, flight, subject)
            let write = RangeWrite(
                remote: remote, target: part.handle, path: path, file: file, source: subject, flight: flight)
            if let xfer, xfer.isWritable {
                try await publish(missing, write, part, before)
            } else {
                try await write.run(missing)
                try check(file, before, subject)
                _ = try await rules.withOwner(attributes(before)) {
                    try await remote.session.nfs(
                        NFS.SetAttr.self, NFS.SetAttr.Arguments(part.handle, $0), subject: path)
                }
                try await part.publish()
            }
        } catch {
            // What was begun is taken back, or kept for the next run; the error that matters is the one that is thrown.
            if Resume.keeps(after: error, flight, left: part.left) {
                progress.kept.add(bytes: UInt64(clamping: flight.doneBytes))
            } else {
                await part.discard()
            }
            throw error
        }
        isDone = true
        return before.size
    }

    /// Bytes up to which a file goes in one call, by way of memory.
    private static let small = 256 << 10

    /// Writes what is missing, and has it committed, its attributes set and its name changed in one call (XFER's PUBLISH).
    private func publish(
        _ missing: RangeList, _ write: RangeWrite, _ part: RemotePart, _ source: FileAttributes
    ) async throws {
        let attributes = attributes(source)
        var isPublished = false
        try await write.run(missing) { uncommitted in
            // Written to a server that began anew in between: what is older is known to be lost only by a COMMIT.
            guard let verifier = uncommitted.verifier else {
                return uncommitted.lost(committed: try await write.commit())
            }
            try check(write.file, source, write.source)
            switch try await rules.withOwner(attributes, { try await part.publish($0, expected: verifier) }) {
            case .done:
                isPublished = true
                return []
            case .lost(let now): return uncommitted.lost(committed: now)
            }
        }
        if isPublished { return }
        try check(write.file, source, write.source)
        guard case .done = try await rules.withOwner(attributes, { try await part.publish($0, expected: nil) }) else {
            throw TransferError(.server, "\(part.path): the server lost what it had said to be on its disk")
        }
    }

    /// - Throws: where the source is not what it was when it was opened: anything else is a mix of two files.
    private func check(
        _ file: SharedDescriptor, _ before: FileAttributes, _ subject: String
    ) throws(TransferError) {
        let after = try local(subject) { () throws(SystemError) in FileAttributes(try Files.status(file.raw)) }
        guard after.size == before.size, after.modificationTime == before.modificationTime else {
            throw TransferError(.sourceChanged, "\(subject): changed while it was read")
        }
    }

    /// What has to be written: where the source has data, less what an earlier run has left and is right.
    ///
    /// A part is verified by checksums that the server makes. Where it cannot, the part is read back and compared: as many
    /// bytes as writing it anew, but on the way that is the faster one where the two differ, and nothing is written twice.
    private func missing(
        _ file: SharedDescriptor, _ source: FileAttributes, _ part: RemotePart, _ flight: FileInFlight,
        _ subject: String
    ) async throws -> RangeList {
        let size = source.size
        var data = RangeList(0..<size)
        if rules.sparse {
            data = try local(subject) { () throws(SystemError) in try SparseRanges.data(of: file.raw, size: size) }
        }
        guard part.left >= Resume.minimum, size >= Resume.minimum else {
            return try await begin(part, data, size, flight)
        }
        // What an earlier run wrote and did not commit could get lost behind the back of its verification.
        _ = try await remote.session.nfs(
            NFS.Commit.self, NFS.Commit.Arguments(part.handle, offset: 0, count: 0), subject: part.path)
        var attributes = source
        attributes.size = min(size, part.left)
        let there = Remote.Object(handle: part.handle, attributes: attributes, path: part.path)
        let hasChecksums = try await remote.xfer()?.has(.xxh3) ?? false
        guard hasChecksums || !part.isSparse else {
            // To read holes back would cost more than to write the data.
            return try await begin(part, data, size, flight)
        }
        do {
            return try await unverified(file, data, there, part, size, flight, subject)
        } catch let error where Self.isOfPart(error) {
            flight.moved(-flight.doneBytes)
            return try await begin(part, data, size, flight)
        }
    }

    /// Whether a part cannot be verified, which is no failure of the file: the server has no checksum for it, or something
    /// changes it yet.
    private static func isOfPart(_ error: any Error) -> Bool {
        error is NFSError || (error as? TransferError)?.kind == .sourceChanged
    }

    /// - Parameters:
    ///   - data: where the source has data.
    ///   - there: the part.
    private func unverified(
        _ file: SharedDescriptor, _ data: RangeList, _ there: Remote.Object, _ part: RemotePart, _ size: UInt64,
        _ flight: FileInFlight, _ subject: String
    ) async throws -> RangeList {
        if part.left > size || part.left < size && data != RangeList(0..<size) { try await resize(part, size) }
        var left = RangeList(0..<min(part.left, size))
        if let found = try await remote.segments(of: there, most: SparseRanges.most) {
            left = RangeList(found.segments).union(RangeList((found.next ?? size)..<size)).intersection(
                RangeList(0..<size))
        }
        let blockSize = Resume.blockSize(of: size)
        return try await PartVerification(
            size: size, blockSize: blockSize, source: data, part: left,
            sourceChecksums: { try await PartVerification.local(file, $0, blockSize: blockSize, named: subject) },
            partChecksums: { try await remote.blockChecksums(of: there, $0, blockSize: blockSize) }
        ).missing(flight)
    }

    /// Anew, with holes where the source has them.
    private func begin(
        _ part: RemotePart, _ data: RangeList, _ size: UInt64, _ flight: FileInFlight
    ) async throws -> RangeList {
        if part.left > 0 { try await resize(part, 0) }
        if data != RangeList(0..<size) {
            try await resize(part, size)
            flight.moved(Int(clamping: size - min(size, data.count)))
        }
        return data
    }

    private func resize(_ part: RemotePart, _ size: UInt64) async throws {
        _ = try await remote.session.nfs(
            NFS.SetAttr.self, NFS.SetAttr.Arguments(part.handle, SetAttributes(size: size)), subject: part.path)
    }

    /// An EXCLUSIVE CREATE may have kept its verifier in the mode and the times (RFC 1813 section 3.3.8): all are set.
    func attributes(_ source: FileAttributes) -> SetAttributes {
        var attributes = rules.attributes(source)
        if !rules.preserve { (attributes.accessTime, attributes.modificationTime) = (.now, .now) }
        return attributes
    }
}

extension NFSTime {
    init(_ time: timespec) { self.init(seconds: time.tv_sec, nanoseconds: time.tv_nsec) }
}
