import NFS
import Testing

@testable import Transfer

@Suite struct TemporaryNameTests {
    @Test(arguments: ["a", "report.pdf", "", String(repeating: "x", count: 255), String(repeating: "é", count: 127)])
    func isHiddenRecognizableAndShortEnough(name: String) {
        let made = TemporaryName.make(for: FileName(name)).bytes
        #expect(made.count <= 255)
        #expect(made.starts(with: Array(".".utf8) + name.utf8.prefix(237)))
        #expect(made.suffix(5).elementsEqual(".xfer".utf8))
        #expect(!made.contains(UInt8(ascii: "/")) && !made.contains(0))
    }

    @Test func isAnotherOneEachTime() {
        #expect(Set((0..<200).map { _ in TemporaryName.make(for: FileName("f")).bytes }).count == 200)
    }
}
