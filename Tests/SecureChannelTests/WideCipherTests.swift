import CWideGCM
import TestSupport
import Testing

@testable import SecureChannel

/// AES-GCM by wide instructions makes the records that libcrypto makes, and takes no others.
@Suite(.enabled(if: wide_gcm_available(), "this processor has no VAES, or libipsec-mb is not installed"))
struct WideCipherTests {
    static let suites: [CipherSuite] = [.aes128GCM, .aes256GCM]

    /// Which of the two ends goes over to the wide instructions, at its first record or later.
    static let changes: [(sealer: UInt64, opener: UInt64)] = [(0, .max), (.max, 0), (0, 0), (3, 5)]

    @Test(arguments: suites, changes)
    func bothMakeTheSameRecords(suite: CipherSuite, change: (sealer: UInt64, opener: UInt64)) throws {
        let keys = TrafficKeys(TestSecrets.make(suite).client, suite: suite)
        let sealer = RecordCipher(keys, sealing: true, recordsBeforeWide: change.sealer)
        let opener = RecordCipher(keys, sealing: false, recordsBeforeWide: change.opener)
        let record = Block(RecordBlock.slot)
        for size in [0, 1, 15, 16, 17, 255, 256, 4095, 16383, 16384] {
            let plaintext = pattern(size, seed: UInt64(size))
            (record.start + Record.headerLength).copyMemory(from: plaintext, byteCount: size)
            let length = sealer.seal(record.start, plaintext: size, type: 23) - Record.headerLength
            #expect(opener.open(record.start, length: length), "a record of \(size) bytes")
            let opened = record.bytes[Record.headerLength..<(Record.headerLength + size)]
            #expect(opened.elementsEqual(plaintext))
            #expect(record.bytes[Record.headerLength + size] == 23)
        }
        #expect(sealer.isWide == (change.sealer < 10))
        #expect(opener.isWide == (change.opener < 10))
    }

    /// One bit of the header, of the text, of its last byte, of the tag.
    @Test(arguments: suites, [1, 5, 1004, 1005, 1021])
    func changedRecordsAreRefused(suite: CipherSuite, position: Int) throws {
        let keys = TrafficKeys(TestSecrets.make(suite).client, suite: suite)
        let sealer = RecordCipher(keys, sealing: true, recordsBeforeWide: 0)
        let opener = RecordCipher(keys, sealing: false, recordsBeforeWide: 0)
        let record = Block(RecordBlock.slot)
        (record.start + Record.headerLength).copyMemory(from: pattern(1000), byteCount: 1000)
        let length = sealer.seal(record.start, plaintext: 1000, type: 23) - Record.headerLength
        record.bytes[position] ^= 0x10
        #expect(!opener.open(record.start, length: length))
        #expect(opener.isWide)
    }
}
