import Testing
import Transfer

@Suite struct FilePartTests {
    @Test(arguments: [
        ("0-0", FilePart.from(offset: 0, length: 1)), ("5-9", .from(offset: 5, length: 5)),
        ("7-", .from(offset: 7, length: nil)), ("-3", .last(3)), ("-0", .last(0)),
        ("0-18446744073709551615", .from(offset: 0, length: nil)),
    ])
    func ranges(text: String, part: FilePart) throws { #expect(try FilePart(range: text) == part) }

    @Test(arguments: [
        "", "-", "5", "5-3", "a-b", "1-2-3", "--1", "+1-2", " 1-2", "1-18446744073709551616", "18446744073709551616-",
        "-18446744073709551616", "１-2",
    ])
    func mistakes(text: String) {
        let error = #expect(throws: UsageError.self) { try FilePart(range: text) }
        #expect(error?.description.contains("'\(text)'") == true)
    }

    @Test(arguments: [
        (FilePart.all, 10 as UInt64, 0..<10 as Range<UInt64>), (.from(offset: 4, length: 3), 10, 4..<7),
        (.from(offset: 4, length: 30), 10, 4..<10), (.from(offset: 10, length: 1), 10, 10..<10),
        (.from(offset: .max, length: .max), 10, 10..<10), (.from(offset: 1, length: 0), 10, 1..<1),
        (.from(offset: 1, length: .max), .max, 1..<UInt64.max), (.last(3), 10, 7..<10), (.last(30), 10, 0..<10),
        (.last(0), 10, 10..<10), (.all, 0, 0..<0),
    ])
    func ofAFile(part: FilePart, size: UInt64, range: Range<UInt64>) { #expect(part.range(of: size) == range) }
}
