import Testing

@testable import Kernel

/// proc(5), meminfo.
@Suite struct DirtyMemoryTests {
    @Test func ofThisMachine() throws {
        #expect(try #require(DirtyMemory.bytes()) < 1 << 40)
    }

    @Test(
        arguments: [
            ("MemTotal:       24683924 kB\nDirty:             21176 kB\nWriteback:            12 kB\n", 21188 << 10),
            ("Writeback: 0 kB\nDirty: 1 kB\nWritebackTmp: 7 kB\n", 1 << 10),
            ("Dirty: 1 kB\n", nil), ("", nil), ("Dirty: 1\nWriteback: 0 kB\n", nil),
            ("Dirty: x kB\nWriteback: 0 kB\n", nil),
            ("Dirty: 18446744073709551615 kB\nWriteback: 1 kB\n", nil), ("Dirty: -1 kB\nWriteback: 1 kB\n", nil),
        ] as [(String, UInt64?)])
    func ofText(text: String, bytes: UInt64?) {
        #expect(DirtyMemory.bytes(in: Array(text.utf8)) == bytes)
    }
}
