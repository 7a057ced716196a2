import Checksums
import Testing

@Suite struct ChecksumTests {
    /// What `xxhsum -H2` and `sha256sum` print of `printf abc`.
    @Test(arguments: [
        (ChecksumAlgorithm.xxh3, "06b05ab6733a618578af5f94892f3950"),
        (.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    ])
    func knownValues(algorithm: ChecksumAlgorithm, expected: String) {
        let state = ChecksumState(algorithm)
        for byte in "abc".utf8 { withUnsafeBytes(of: byte) { state.update($0) } }
        #expect(state.finish().description == expected)
    }
}
