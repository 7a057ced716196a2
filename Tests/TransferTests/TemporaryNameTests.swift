import NFS
import Testing

@testable import Transfer

@Suite struct TemporaryNameTests {
    @Test(arguments: ["a", "report.pdf", "", String(repeating: "x", count: 255), String(repeating: "é", count: 127)])
    func isHiddenRecognizableAndShortEnough(name: String) {
        let made = TemporaryName.make(for: FileName(name))
        #expect(made.count <= 255)
        #expect(made.bytes.starts(with: Array(".".utf8) + name.utf8.prefix(200)))
        #expect(made.bytes.suffix(5).elementsEqual(".xfer".utf8))
        #expect(!made.bytes.contains(UInt8(ascii: "/")) && !made.bytes.contains(0))
        #expect(TemporaryName.isTemporary(made))
        #expect(TemporaryName.tag(of: made) == .own)
    }

    /// What a killed run has left is found again by its name.
    @Test func isTheSameForTheSameTarget() {
        #expect(TemporaryName.make(for: "f") == TemporaryName.make(for: "f"))
        #expect(TemporaryName.make(for: "f") != TemporaryName.make(for: "g"))
    }

    /// Names too long to be kept whole still differ where only their ends do.
    @Test func longNamesThatDifferAtTheEndStayTwo() {
        let long = String(repeating: "x", count: 254)
        #expect(TemporaryName.make(for: FileName(long + "a")) != TemporaryName.make(for: FileName(long + "b")))
    }

    @Test(arguments: [
        "f", ".f.xfer", ".f.abcdefghi.xfer", ".f.abcdefghij.xfe", "f.abcdefghij.xfer", ".f.abcdefgh1j.xfer",
    ])
    func otherNamesAreNoTemporaryOnes(name: String) { #expect(!TemporaryName.isTemporary(FileName(name))) }

    @Test func twoCopiesToOneTargetHaveTwoNames() {
        do {
            let first = TemporaryClaim("f", in: .local(device: 1, inode: 2))
            let second = TemporaryClaim("f", in: .local(device: 1, inode: 2))
            let elsewhere = TemporaryClaim("f", in: .local(device: 1, inode: 3))
            #expect(first.name != second.name)
            #expect(first.name == elsewhere.name)
        }
        #expect(TemporaryClaim("f", in: .local(device: 1, inode: 2)).name == TemporaryName.make(for: "f"))
    }

    @Test func anothersTagIsNotLeftOver() throws {
        #expect(TemporaryTag.own.isLeftOver)
        #expect(!TemporaryTag.random.isLeftOver)
    }
}
