import Glibc
import NFS
import RPC
import Testing

@testable import FileServer

/// RFC 1813 section 3.3.9.
@Suite struct MkDirTests {
    @Test(arguments: [HandleKind.automatic, .table])
    func theInitialAttributes(kind: HandleKind) throws {
        let f = try Fixture.inMemory(kind)
        let time = NFSTime(seconds: 7, nanoseconds: 8)
        try f.expectConsistency(of: f.root) {
            let made = try f.call(
                NFS.MkDir.self, .init(f.target("dir"), .init(mode: 0o1751, modificationTime: .at(time))))
            let dir = try #require(made.object)
            #expect(try made.attributes == f.attributes(dir) && f.lookup("dir") == dir)
            #expect(made.attributes?.type == .directory && made.attributes?.mode == 0o1751)
            #expect(made.attributes?.modificationTime == time && made.attributes?.linkCount == 2)
            return made.directory
        }
        #expect(try f.attributes(f.root).linkCount == 3)
    }

    @Test func namesThatAreTaken() throws {
        let f = try Fixture.inMemory()
        _ = try f.create("file")
        _ = try f.makeDirectory("dir")
        symlink("nowhere", f.path("link"))
        for name: FileName in ["file", "dir", "link"] {
            try f.expectConsistency(of: f.root) {
                try f.reply(NFS.MkDir.self, .init(f.target(name), .init(mode: 0o777))).data(failing: .exists)
            }
        }
        #expect(try f.attributes(f.lookup("dir")).mode == 0o755)
    }

    @Test(Need.callers) func whoMayMakeOne() throws {
        let f = try Fixture.inMemory { $0.squash = .root }
        let ada = f.acting(as: Users.ada)
        let dir = try ada.makeDirectory("dir")
        #expect(try f.attributes(dir).uid == 1001 && f.attributes(dir).gid == 1001)
        for stranger in [Users.eve, Users.root, .none] {
            let arguments = NFS.MkDir.Arguments(f.target("new", in: dir), .init())
            #expect(try f.acting(as: stranger).failure(NFS.MkDir.self, arguments) == .accessDenied)
        }
        #expect(try ada.failure(NFS.MkDir.self, .init(f.target("x"), .init(uid: 1002))) == .notPermitted)
        #expect(!f.directory.exists("x"))
    }
}
