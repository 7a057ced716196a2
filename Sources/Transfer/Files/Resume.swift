import Checksums
import Glibc
import Kernel
import NFS

/// When the part of a file that an interrupted copy has left is gone on with, and in which blocks it is verified.
enum Resume {
    /// Bytes: smaller files, and smaller parts, begin anew.
    static let minimum: UInt64 = 1 << 20

    /// Blocks that a file is verified in, at most.
    private static let blocks: UInt64 = 65536

    /// Bytes of a block, a power of two: 1 MiB, more where a file has more than 64 GiB.
    static func blockSize(of size: UInt64) -> UInt64 {
        var blockSize = minimum
        while size / blockSize >= blocks { blockSize *= 2 }
        return blockSize
    }

    /// Whether what is there of a file is kept after `error`: where nothing was wrong with the file or the place it goes
    /// to, and there is enough of it.
    static func keeps(after error: any Error, _ flight: FileInFlight, left: UInt64) -> Bool {
        guard flight.bytes >= minimum, left >= minimum || flight.doneBytes >= Int(minimum) else { return false }
        if Task.isCancelled || error is CancellationError { return true }
        return (error as? TransferError)?.kind == .connection
    }
}

/// Finds what of a part need not be moved again: its blocks are compared with the source's by checksums, a stretch of them
/// at both ends at once.
struct PartVerification {
    let size: UInt64
    let blockSize: UInt64
    /// Where the source has data; all else of it is zeros.
    let source: RangeList
    /// Where the part may have data; all else of it is zeros.
    let part: RangeList
    let sourceChecksums: @Sendable (Range<UInt64>) async throws -> [Checksum]
    let partChecksums: @Sendable (Range<UInt64>) async throws -> [Checksum]

    /// Bytes that are compared between two looks at whether anybody still wants it.
    private static let stretch: UInt64 = 64 << 20

    /// - Parameter flight: is told of what is there.
    /// - Returns: what has to be moved: source's data that the part does not have, and zeros where the part has anything else.
    func missing(_ flight: FileInFlight) async throws -> RangeList {
        var right = RangeList()
        var counted = 0
        let stretch = max(blockSize, Self.stretch / blockSize * blockSize)
        try await part.blocks(of: blockSize, in: size).forEachPiece(of: stretch) { range in
            try Task.checkCancellation()
            async let wanted = sourceChecksums(range)
            let found = try await partChecksums(range)
            var same = RangeList()
            for (index, pair) in zip(try await wanted, found).enumerated() where pair.0 == pair.1 {
                let start = range.lowerBound + UInt64(index) * blockSize
                same.append(start..<min(start + blockSize, range.upperBound))
            }
            let count = Int(clamping: same.count)
            flight.moved(count)
            counted += count
            for range in same.ranges { right.append(range) }
        }
        let missing = source.union(part).subtracting(right)
        // Holes in both are there too.
        flight.moved(Int(clamping: size - min(size, missing.count)) - counted)
        return missing
    }

    /// The checksums of blocks of a file of this machine.
    static func local(
        _ file: SharedDescriptor, _ range: Range<UInt64>, blockSize: UInt64, named name: String
    ) async throws -> [Checksum] {
        try await Blocking.run("checksums") {
            Result { () throws(TransferError) in
                try Transfer.local(name) { () throws(SystemError) in
                    try FileChecksum.ofBlocks(file.raw, range, blockSize: blockSize, .xxh3).checksums
                }
            }
        }
    }
}
