import Checksums
import Glibc
import Kernel
import NFS
import RPC
import Testing

@testable import FileServer

/// CHECKSUM and SEGMENTS of xfer.x.
@Suite struct XferChecksumTests {
    private static func arguments(
        _ file: FileHandle, _ algorithm: ChecksumAlgorithm = .xxh3, offset: UInt64 = 0, count: UInt64 = .max,
        blockSize: UInt64 = 4
    ) -> Xfer.Checksum.Arguments {
        .init(file, algorithm: algorithm.rawValue, offset: offset, count: count, blockSize: blockSize)
    }

    private static func digest(_ text: some StringProtocol, _ algorithm: ChecksumAlgorithm) -> [UInt8] {
        let state = ChecksumState(algorithm)
        Array(text.utf8).withUnsafeBytes { state.update($0) }
        return state.finish().bytes
    }

    @Test(arguments: ChecksumAlgorithm.allCases) func blocks(algorithm: ChecksumAlgorithm) throws {
        let f = try Fixture.forXfer()
        try f.directory.write("file", "0123456789")
        let file = try f.lookup("file")
        func digests(_ texts: String...) -> [UInt8] { texts.flatMap { Self.digest($0, algorithm) } }
        let cases: [(offset: UInt64, count: UInt64, blockSize: UInt64, covered: UInt64, eof: Bool, digests: [UInt8])] =
            [
                (0, .max, 4, 10, true, digests("0123", "4567", "89")),
                (0, 10, 5, 10, true, digests("01234", "56789")),
                (0, 9, 4, 9, false, digests("0123", "4567", "8")),
                (3, 4, 100, 4, false, digests("3456")),
                (3, .max, FileServer.rangeMaximum, 7, true, digests("3456789")),
                (10, 5, 4, 0, true, []), (11, 5, 4, 0, true, []), (.max, .max, 4, 0, true, []),
                (1 << 63, .max, 4, 0, true, []), (5, 0, 4, 0, false, []),
            ]
        for (offset, count, blockSize, covered, eof, expected) in cases {
            let made = try f.xfer(
                Xfer.Checksum.self,
                Self.arguments(file, algorithm, offset: offset, count: count, blockSize: blockSize))
            #expect(made.count == covered && made.endOfFile == eof, "\(offset) \(count) \(blockSize)")
            #expect(made.digests == expected, "\(offset) \(count) \(blockSize)")
            let attributes = try f.attributes(file)
            #expect(made.file == WeakCacheData(before: .init(attributes), after: attributes))
        }
    }

    @Test func anEmptyFile() throws {
        let f = try Fixture.forXfer()
        let made = try f.xfer(Xfer.Checksum.self, Self.arguments(try f.create("file")))
        #expect(made.count == 0 && made.endOfFile && made.digests.isEmpty)
    }

    /// No more digests than a reply may have, and then from where it stopped.
    @Test func manyBlocks() throws {
        let f = try Fixture.forXfer()
        let most = Int(FileServer.digestMaximum)
        let text = String((0..<most + 3).map { Character(UnicodeScalar(UInt8(97 + $0 % 26))) })
        try f.directory.write("file", text)
        let file = try f.lookup("file")
        var (offset, digests, calls) = (0 as UInt64, [UInt8](), 0)
        while offset < UInt64(text.count) {
            let made = try f.xfer(Xfer.Checksum.self, Self.arguments(file, .sha256, offset: offset, blockSize: 1))
            try #require(made.count > 0 && Int(made.count) <= most && made.digests.count == 32 * Int(made.count))
            (offset, digests, calls) = (offset + made.count, digests + made.digests, calls + 1)
            #expect(made.endOfFile == (offset == text.count))
        }
        #expect(calls >= 2)
        #expect(digests == text.flatMap { Self.digest(String($0), .sha256) })
    }

    /// A sparse file of a terabyte: no call reads more than it may.
    @Test func oneCallHasAnEnd() throws {
        let f = try Fixture.forXfer()
        let file = try f.create("file")
        truncate(f.path("file"), 1 << 40)
        let made = try f.xfer(Xfer.Checksum.self, Self.arguments(file, blockSize: 1 << 20))
        #expect(made.count > 0 && made.count <= FileServer.rangeMaximum && made.count % (1 << 20) == 0)
        #expect(!made.endOfFile && made.digests.count == 16 * Int(made.count >> 20))
    }

    /// The others keep their threads: who comes when all that may are reading is asked to come again.
    @Test func noMoreThanSoManyAtOnce() throws {
        let f = try Fixture.forXfer()
        try f.directory.write("file", "text")
        let file = try f.lookup("file")
        func made() -> NFSStatus? { status { _ = try f.xfer(Xfer.Checksum.self, Self.arguments(file)) } }
        f.server.checksumThreads.allow(2)
        let isFull: Void? = f.server.checksumThreads.run {
            #expect(made() == nil)
            _ = f.server.checksumThreads.run { #expect(made() == .jukebox) }
            #expect(made() == nil)
        }
        #expect(isFull != nil && made() == nil)
        f.server.checksumThreads.allow(0)
        #expect(made() == nil)
    }

    @Test func whatItDoesNotTake() throws {
        let f = try Fixture.forXfer()
        try f.directory.write("file", "text")
        mkfifo(f.path("fifo"), 0o600)
        symlink("file", f.path("link"))
        let file = try f.lookup("file")
        for blockSize in [0, FileServer.rangeMaximum + 1, .max] as [UInt64] {
            #expect(
                status { _ = try f.xfer(Xfer.Checksum.self, Self.arguments(file, blockSize: blockSize)) } == .invalid)
        }
        for algorithm in [0, 3, .max] as [UInt32] {
            let arguments = Xfer.Checksum.Arguments(file, algorithm: algorithm, offset: 0, count: 1, blockSize: 1)
            #expect(status { _ = try f.xfer(Xfer.Checksum.self, arguments) } == .notSupported)
        }
        for handle in [f.root, try f.lookup("fifo"), try f.lookup("link")] {
            guard case .failure(.invalid, let attributes) = try f.reply(Xfer.Checksum.self, Self.arguments(handle)),
                case .failure(.invalid, attributes) = try f.reply(
                    Xfer.Segments.self, .init(handle, offset: 0, count: 1))
            else {
                Issue.record("taken")
                continue
            }
            #expect(try attributes == f.attributes(handle))
        }
        #expect(status { _ = try f.xfer(Xfer.Segments.self, .init(file, offset: 0, count: 0)) } == .invalid)
    }

    /// Who may read has them, and nobody else; a file that may only be executed is read for that.
    @Test(Need.callers) func rights() throws {
        let f = try Fixture.forXfer { $0.readOnly = false }
        try f.directory.write("file", "text", mode: 0o600)
        let file = try f.lookup("file")
        let eve = f.acting(as: Users.eve)
        #expect(status { _ = try eve.xfer(Xfer.Checksum.self, Self.arguments(file)) } == .accessDenied)
        #expect(status { _ = try eve.xfer(Xfer.Segments.self, .init(file, offset: 0, count: 1)) } == .accessDenied)
        chmod(f.path("file"), 0o604)
        #expect(try eve.xfer(Xfer.Checksum.self, Self.arguments(file)).count == 4)
        #expect(try eve.xfer(Xfer.Segments.self, .init(file, offset: 0, count: 1)).segments.count == 1)
    }

    @Test func segments() throws {
        let f = try Fixture.forXfer()
        let file = try f.create("file")
        truncate(f.path("file"), 10 << 20)
        let opened = try Files.open(f.path("file"), O_WRONLY)
        for megabyte in [1, 4, 8] as [UInt64] { try Files.write(opened.raw, [1], at: megabyte << 20) }
        func segments(_ offset: UInt64, _ count: UInt32 = .max) throws -> ([UInt64], Bool) {
            let found = try f.xfer(Xfer.Segments.self, .init(file, offset: offset, count: count))
            #expect(try found.attributes == f.attributes(file))
            // One page of a memory file system each; with huge pages, two megabytes.
            for segment in found.segments { #expect(segment.count > 0 && segment.count <= 2 << 20) }
            return (found.segments.map { $0.offset >> 20 }, found.endOfFile)
        }
        #expect(try segments(0) == ([1, 4, 8], true))
        #expect(try segments(0, 2) == ([1, 4], false))
        #expect(try segments(4 << 20) == ([4, 8], true))
        #expect(try segments(9 << 20) == ([], true))
        for offset in [10 << 20, 1 << 62, 1 << 63, .max] as [UInt64] { #expect(try segments(offset) == ([], true)) }
    }
}
