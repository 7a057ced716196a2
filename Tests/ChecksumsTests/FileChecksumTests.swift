import Checksums
import Kernel
import TestSupport
import Testing

@Suite struct FileChecksumTests {
    private func checksum(_ bytes: some Collection<UInt8>, _ algorithm: ChecksumAlgorithm) -> Checksum {
        let state = ChecksumState(algorithm)
        Array(bytes).withUnsafeBytes { state.update($0) }
        return state.finish()
    }

    /// Longer than what is read at once, in blocks that are shorter and longer than that.
    @Test(arguments: ChecksumAlgorithm.allCases, [1000, 300_000, 10_000_000] as [UInt64])
    func blocks(algorithm: ChecksumAlgorithm, blockSize: UInt64) throws {
        let bytes = pattern(700_001)
        let file = TestFile(bytes)
        let (checksums, count) = try FileChecksum.ofBlocks(file.raw, 1..<UInt64.max, blockSize: blockSize, algorithm)
        #expect(count == 700_000)
        let expected = stride(from: 1, to: bytes.count, by: Int(blockSize)).map {
            checksum(bytes[$0..<min(bytes.count, $0 + Int(blockSize))], algorithm)
        }
        #expect(checksums == expected)
        #expect(
            try FileChecksum.of(file.raw, 1..<500_000, algorithm).checksum == checksum(bytes[1..<500_000], algorithm))
    }

    @Test func behindTheEnd() throws {
        let file = TestFile([1, 2, 3])
        for offset in [3, 1 << 40, 1 << 63, .max - 1] as [UInt64] {
            let (checksums, count) = try FileChecksum.ofBlocks(file.raw, offset..<(offset + 1), blockSize: 1, .xxh3)
            #expect(checksums.isEmpty && count == 0)
        }
        #expect(try FileChecksum.ofBlocks(file.raw, 1..<1, blockSize: 1, .xxh3).count == 0)
    }

    /// One block is always done, and no other after the time.
    @Test func outOfTime() throws {
        let file = TestFile(pattern(10))
        let (checksums, count) = try FileChecksum.ofBlocks(
            file.raw, 0..<10, blockSize: 4, .xxh3, until: .after(seconds: 0))
        #expect(checksums.count == 1 && count == 4)
    }
}
