import Glibc
import Kernel
import NFS
import TestSupport
import Testing

@testable import Transfer

@Suite struct TemporaryClaimTests {
    /// What another job of this process is writing is no left-over.
    @Test func aNameInUseIsNotTakenForALeftOver() throws {
        let directory = TemporaryClaim.Directory.local(device: 1, inode: 5)
        var claim: TemporaryClaim? = TemporaryClaim("f", in: directory)
        let name = try #require(claim?.name)
        #expect(TemporaryClaim(leftOver: name, in: directory) == nil)
        #expect(TemporaryClaim(leftOver: name, in: .local(device: 1, inode: 4)) != nil)
        claim = nil
        let leftOver = try #require(TemporaryClaim(leftOver: name, in: directory))
        // And who begins to write while it is removed gets another name.
        withExtendedLifetime(leftOver) { #expect(TemporaryClaim("f", in: directory).name != name) }
    }

    @Test func aReportOfTooManyBytesHasAllThatCanBeSaid() {
        var report = Report()
        for _ in 0..<3 { report.add(bytes: 1 << 63) }
        #expect(report.bytes == .max)
    }

    /// Opening it would wait for a writer.
    @Test func aFIFOHasNoChecksum() throws {
        let place = try Directory()
        mkfifo(place.path + "/f", 0o600)
        let directory = try LocalDirectory(path: place.path)
        let tree = LocalTree(top: directory)
        let node = try #require(try tree.find("f", in: directory))
        #expect(throws: TransferError.self) { try tree.checksum("f", node, in: directory) }
    }
}
