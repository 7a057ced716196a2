import CLinux
import Checksums
import Glibc
import Kernel
import NFS

extension Remote {
    /// What a whole file is compared by: made by the server where it can, by reading it otherwise.
    func content(_ file: Object) async throws -> FileContent {
        let size = file.attributes.size
        let blocks = try await blockChecksums(of: file, 0..<size, blockSize: FileContent.blockSize)
        return FileContent(size: size, blocks: blocks)
    }

    /// Bytes read and added at once.
    private static let piece: UInt64 = 16 << 20

    /// The XXH3 checksums of the blocks of a range that the file has: made by the server where it can, by reading them
    /// otherwise.
    func blockChecksums(of file: Object, _ range: Range<UInt64>, blockSize: UInt64) async throws -> [Checksum] {
        if let made = try await checksums(of: file, range, blockSize: blockSize, .xxh3) { return made.blocks }
        var blocks: [Checksum] = []
        var offset = range.lowerBound
        let last = min(range.upperBound, file.attributes.size)
        while offset < last {
            let end = offset + min(blockSize, last - offset)
            let state = ChecksumState(.xxh3)
            try await readThrough(file, offset..<end) { state.update($0) }
            blocks.append(state.finish())
            offset = end
        }
        return blocks
    }

    /// Reads a range in order, many READs in flight, through a file in memory that is never larger than a piece.
    private func readThrough(
        _ file: Object, _ range: Range<UInt64>, _ body: (UnsafeRawBufferPointer) -> Void
    ) async throws {
        let memory = try local(file.path) { () throws(SystemError) in
            let raw = try systemCall("memfd_create") { clinux_memory_file("xfer") }
            return SharedDescriptor(Descriptor(takingOwnershipOf: raw))
        }
        try await RangeList(range).forEachPiece(of: Self.piece) { range in
            try await withThrowingTaskGroup(of: Void.self) { group in
                await RangeList(range).forEachPiece(of: UInt64(readSize)) { part in
                    let count = Int(clamping: part.count)
                    await session.window.acquire(count)
                    group.addTask {
                        defer { self.session.window.release(count) }
                        try await self.readRange(file, part, into: memory, named: file.path) { _ in }
                    }
                }
                try await group.waitForAll()
            }
            let bytes = try local(file.path) { () throws(SystemError) in
                try Files.read(memory.raw, count: range.count, at: range.lowerBound)
            }
            bytes.withUnsafeBytes { body($0) }
            _ = try local(file.path) { () throws(SystemError) in
                try systemCall("fallocate") {
                    clinux_punch_hole(
                        memory.raw, Int64(clamping: range.lowerBound), Int64(clamping: range.count))
                }
            }
        }
    }
}
