import Glibc
import NFS
import RPC
import Testing

@testable import FileServer

/// RFC 1813 section 3.3.3, and "General comments on filenames" in section 3.2.
@Suite struct LookupTests {
    @Test(arguments: [HandleKind.automatic, .table])
    func whatIsFound(kind: HandleKind) throws {
        let f = try Fixture(kind)
        let dir = try f.makeDirectory("dir")
        let file = try f.create("file", in: dir)
        let found = try f.call(NFS.Lookup.self, f.target("file", in: dir))
        #expect(found.object == file)
        #expect(try found.attributes == f.attributes(file) && found.directory == f.attributes(dir))
        #expect(try f.lookup(".", in: dir) == dir && f.lookup("..", in: dir) == f.root)
    }

    @Test func aFailureTellsOfTheDirectory() throws {
        let f = try Fixture()
        guard case .failure(.noEntry, let attributes) = try f.reply(NFS.Lookup.self, f.target("missing")) else {
            Issue.record("found")
            return
        }
        #expect(try attributes == f.attributes(f.root))
    }

    /// Every byte but NUL and the slash, up to 255 of them; 256 are NFS3ERR_NAMETOOLONG.
    @Test func namesOfAnyBytes() throws {
        let f = try Fixture.inMemory()
        let all = (1...255).map { UInt8($0) }.filter { $0 != UInt8(ascii: "/") } + [0x80]
        let name = FileName(all)
        #expect(name.count == 255)
        let file = try f.create(name)
        #expect(try f.lookup(name) == file)
        #expect(try f.list().entries.contains { $0.name == name })
        #expect(try f.failure(NFS.Lookup.self, f.target(FileName(all + [65]))) == .nameTooLong)
        #expect(try f.failure(NFS.Rename.self, .init(from: f.target(name), to: f.target("plain"))) == nil)
        #expect(try f.lookup("plain") == file)
    }

    @Test(Need.callers) func aDirectoryThatMayNotBeSearched() throws {
        let f = try Fixture.inMemory { $0.squash = .root }
        let dir = try f.acting(as: Users.ada).makeDirectory("dir", mode: 0o700)
        let eve = f.acting(as: Users.eve)
        for name: FileName in ["file", "missing", ".."] {
            #expect(try eve.failure(NFS.Lookup.self, f.target(name, in: dir)) == .accessDenied)
        }
        #expect(try f.acting(as: Users.root).failure(NFS.Lookup.self, f.target("x", in: dir)) == .accessDenied)
        #expect(try f.acting(as: Users.ada).failure(NFS.Lookup.self, f.target("x", in: dir)) == .noEntry)
    }
}
