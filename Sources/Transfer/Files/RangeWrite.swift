import Kernel
import NFS

/// Writes ranges of a file on a server from one at this end, and has them on the server's disk.
struct RangeWrite: Sendable {
    let remote: Remote
    let target: FileHandle
    /// For messages.
    let path: String
    let file: SharedDescriptor
    /// Of the file at this end, for messages.
    let source: String
    /// What is at offset `base` of the target is at `position` of the file.
    var base: UInt64 = 0
    var position: UInt64 = 0
    let flight: FileInFlight

    /// How often a file is written again because the server lost what it had not committed.
    private static let rounds = 5

    /// Writes all of it, many WRITEs in flight, and commits; what the server lost by restarting in between is written
    /// again (RFC 1813 section 3.3.7: the verifier changes when uncommitted data may be lost).
    func run(_ missing: RangeList) async throws {
        try await run(missing) { uncommitted in
            uncommitted.lost(committed: try await commit())
        }
    }

    /// The same with another way to commit.
    ///
    /// - Parameter commit: gets what may be lost yet, and returns what was.
    func run(_ missing: RangeList, committing commit: (UncommittedRanges) async throws -> [Range<UInt64>]) async throws
    {
        var ranges = missing
        if ranges.isEmpty { return }
        for _ in 1...Self.rounds {
            let uncommitted = try await write(ranges)
            // A server that answers FILE_SYNC has all of it on the disk.
            if uncommitted.isEmpty { return }
            ranges = RangeList(try await commit(uncommitted))
            if ranges.isEmpty { return }
            flight.moved(-Int(clamping: ranges.count))
        }
        throw TransferError(
            .server, "\(path): the server lost what was written, or said so by a new verifier, \(Self.rounds) times")
    }

    /// COMMIT of the whole file.
    func commit() async throws -> NFS.Verifier {
        try await remote.session.nfs(
            NFS.Commit.self, NFS.Commit.Arguments(target, offset: 0, count: 0), subject: path
        ).verifier
    }

    /// - Returns: what is not on stable storage yet.
    private func write(_ ranges: RangeList) async throws -> UncommittedRanges {
        try await withThrowingTaskGroup(of: UncommittedRanges.self) { group in
            var uncommitted = UncommittedRanges()
            var flying = 0
            try await ranges.forEachPiece(of: UInt64(remote.writeSize)) { range in
                let count = Int(clamping: range.count)
                await remote.session.window.acquire(count)
                group.addTask {
                    defer { remote.session.window.release(count) }
                    try Task.checkCancellation()
                    return try await write(range)
                }
                flying += 1
                // A failure is seen while the file is being written, not after the last of a million ranges.
                if flying > remote.session.callsInFlight, let some = try await group.next() {
                    uncommitted.formUnion(some)
                    flying -= 1
                }
            }
            for try await some in group { uncommitted.formUnion(some) }
            return uncommitted
        }
    }

    /// Writes a range, as many WRITEs as the server takes for it.
    private func write(_ range: Range<UInt64>) async throws -> UncommittedRanges {
        var uncommitted = UncommittedRanges()
        var offset = range.lowerBound
        while offset < range.upperBound {
            let left = Int(clamping: range.upperBound - offset)
            let written = try await remote.write(
                target, path: path, offset: offset, count: left, from: file, named: source,
                at: position + (offset - base))
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
