import Glibc
import Kernel
import NFS
import RPC
import Testing

@testable import FileServer

/// RFC 1813 section 3.3.6.
@Suite struct ReadTests {
    @Test(arguments: [HandleKind.automatic, .table])
    func beyondFourGibibytes(kind: HandleKind) throws {
        let f = try Fixture.inMemory(kind)
        let file = try f.create("file")
        let edge: UInt64 = 1 << 32
        _ = try f.write(file, "abcdef", offset: edge - 3)
        _ = try f.write(file, "end", offset: 5 << 30)
        let (across, text) = try f.read(file, offset: edge - 5, count: 10)
        #expect(text == "\0\0abcdef\0\0" && across.count == 10 && !across.endOfFile)
        let (last, end) = try f.read(file, offset: 5 << 30 - 2, count: 100)
        #expect(end == "\0\0end" && last.endOfFile && last.attributes?.size == 5 << 30 + 3)
        let (hole, zeros) = try f.read(file, offset: 1 << 30, count: 4096)
        #expect(hole.count == 4096 && zeros.utf8.allSatisfy { $0 == 0 })
    }

    /// "eof: if the read ended at the end-of-file"; beyond it are no bytes and no error.
    @Test func whereTheFileEnds() throws {
        let f = try Fixture()
        let file = try f.create("file")
        #expect(try f.read(file).0.endOfFile && f.read(file).0.count == 0)
        _ = try f.write(file, "12345")
        let cases: [(UInt64, UInt32, UInt32, Bool)] = [
            (0, 4, 4, false), (0, 5, 5, true), (1, 5, 4, true), (5, 1, 0, true), (6, 1, 0, true), (0, 0, 0, false),
            (5, 0, 0, true), (1 << 40, .max, 0, true), (.max, .max, 0, true),
        ]
        for (offset, count, got, end) in cases {
            let (header, text) = try f.read(file, offset: offset, count: count)
            #expect(header.count == got && header.endOfFile == end && text.utf8.count == Int(got), "\(offset) \(count)")
        }
    }

    /// Few bytes come with the attributes of after the reading (XFER_WHOLEREADS), many are sent from the file.
    @Test func smallReadsAreInMemory() throws {
        let f = try Fixture()
        let file = try f.create("file")
        let text = String(repeating: "0123456789abcdef", count: 4097)
        _ = try f.write(file, text)
        for count in [1, 65535, 65536, 65537] {
            let arguments = try XDRCoder.encode(NFS.Read.Arguments(file, offset: 3, count: UInt32(count)))
            let isInMemory = if case .results = f.answer(.read, arguments) { true } else { false }
            #expect(isInMemory == (count <= 65536))
            let (header, read) = try f.read(file, offset: 3, count: UInt32(count))
            #expect(Int(header.count) == min(count, text.utf8.count - 3) && !header.endOfFile)
            #expect(read == String(text.dropFirst(3).prefix(count)))
            #expect(try header.attributes == f.attributes(file))
        }
    }

    /// NFS3ERR_INVAL for what is no regular file; a FIFO is not waited for.
    @Test func onlyRegularFilesAreRead() throws {
        let f = try Fixture()
        mkfifo(f.path("fifo"), 0o600)
        symlink("file", f.path("link"))
        #expect(status { _ = try f.read(f.root) } == .invalid)
        for name: FileName in ["fifo", "link"] { #expect(status { _ = try f.read(f.lookup(name)) } == .invalid) }
    }

    @Test(Need.callers) func whoMayRead() throws {
        let f = try Fixture.inMemory { $0.squash = .root }
        let ada = f.acting(as: Users.ada)
        let file = try ada.create("file", mode: 0o200)
        _ = try ada.write(file, "text")
        for stranger in [Users.eve, Users.root, .none] {
            #expect(status { _ = try f.acting(as: stranger).read(file) } == .accessDenied)
            #expect(status { _ = try f.acting(as: stranger).read(file, offset: 99, count: 0) } == .accessDenied)
        }
        #expect(try ada.read(file).1 == "text", "section 4.4: the owner")
    }

    /// A right that was found stays known only while nothing can take it away unseen: a change in the same tick of the
    /// file system's clock leaves the ctime as it is.
    @Test(Need.callers) func aRightIsRememberedOnlyWithASettledChangeTime() throws {
        let f = try Fixture.inMemory { $0.squash = .root }
        let file = try f.acting(as: Users.ada).create("file", mode: 0o644)
        let eve = f.acting(as: Users.eve)
        #expect(try eve.read(file).0.endOfFile)
        let opened = try f.server.file(file)
        let key = PermissionCache.Key(access: .read, identity: FileIdentity(uid: 1002, gid: 1002))
        #expect(try !opened.permissions.allows(key, at: opened.attributes().changeTime), "created just now")
        #expect(PermissionCache.isSettled(NFSTime(seconds: 1, nanoseconds: 0)))
        #expect(!PermissionCache.isSettled(try opened.attributes().changeTime))
    }
}
