import Glibc
import NFS
import RPC
import Testing

@testable import FileServer

/// RFC 1813 section 3.3.10.
@Suite struct SymLinkTests {
    @Test(arguments: [HandleKind.automatic, .table])
    func whatIsMade(kind: HandleKind) throws {
        let f = try Fixture.inMemory(kind)
        let time = NFSTime(seconds: 7, nanoseconds: 8)
        try f.expectConsistency(of: f.root) {
            let wanted = SetAttributes(mode: 0o600, modificationTime: .at(time))
            let made = try f.call(NFS.SymLink.self, .init(f.target("link"), wanted, text: "../a b/c"))
            let link = try #require(made.object)
            #expect(try made.attributes == f.attributes(link))
            #expect(made.attributes?.type == .symbolicLink && made.attributes?.modificationTime == time)
            #expect(try f.call(NFS.ReadLink.self, link).text == "../a b/c")
            return made.directory
        }
    }

    @Test func textsThatAreNone() throws {
        let f = try Fixture()
        func make(_ text: FileName) throws -> NFSStatus? {
            try f.failure(NFS.SymLink.self, .init(f.target("link"), .init(), text: text))
        }
        #expect(try make("") == .invalid)
        #expect(try make(FileName([65, 0, 66] as [UInt8])) == .invalid)
        #expect(try make(FileName([UInt8](repeating: 65, count: 4096))) == .nameTooLong)
        #expect(!f.directory.exists("link"))
        #expect(try make(FileName([UInt8](repeating: 65, count: 4095))) == nil)
        #expect(try make("x") == .exists)
    }

    @Test(Need.callers) func whoMayMakeOne() throws {
        let f = try Fixture.inMemory { $0.squash = .root }
        let ada = f.acting(as: Users.ada)
        let dir = try ada.makeDirectory("dir")
        for stranger in [Users.eve, Users.root, .none] {
            let arguments = NFS.SymLink.Arguments(f.target("new", in: dir), .init(), text: "x")
            #expect(try f.acting(as: stranger).failure(NFS.SymLink.self, arguments) == .accessDenied)
        }
        let made = try ada.call(NFS.SymLink.self, .init(f.target("mine"), .init(), text: "x"))
        #expect(made.attributes?.uid == 1001 && made.attributes?.gid == 1001)
        // A link's owner is the link's, whatever the text says.
        let root = try f.again()
        symlink("mine", f.path("theirs"))
        _ = try root.call(NFS.SetAttr.self, .init(root.lookup("theirs"), .init(uid: 1002)))
        #expect(try root.attributes(root.lookup("theirs")).uid == 1002)
        #expect(try root.attributes(root.lookup("mine")).uid == 1001)
    }
}
