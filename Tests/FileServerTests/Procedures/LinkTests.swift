import Glibc
import NFS
import RPC
import Testing

@testable import FileServer

/// RFC 1813 section 3.3.15.
@Suite struct LinkTests {
    @Test(arguments: [HandleKind.automatic, .table])
    func whatIsLinked(kind: HandleKind) throws {
        let f = try Fixture.inMemory(kind)
        let file = try f.create("file")
        let dir = try f.makeDirectory("dir")
        try f.expectConsistency(of: dir) {
            let linked = try f.call(NFS.Link.self, .init(file, link: f.target("second", in: dir)))
            #expect(try linked.attributes == f.attributes(file) && linked.attributes?.linkCount == 2)
            return linked.directory
        }
        #expect(try f.lookup("second", in: dir) == file)
        mkfifo(f.path("fifo"), 0o600)
        let fifo = try f.lookup("fifo")
        #expect(try f.failure(NFS.Link.self, .init(fifo, link: f.target("fifo2"))) == nil)
        #expect(try f.attributes(f.lookup("fifo2")).fileID == f.attributes(fifo).fileID)
    }

    /// A symbolic link has a second name itself, and not what it points at.
    @Test func symbolicLinksAreNotFollowed() throws {
        let f = try Fixture.inMemory()
        _ = try f.create("file")
        symlink("file", f.path("link"))
        let link = try f.lookup("link")
        #expect(try f.failure(NFS.Link.self, .init(link, link: f.target("second"))) == nil)
        #expect(try f.attributes(f.lookup("second")).type == .symbolicLink)
        #expect(try f.attributes(link).linkCount == 2)
    }

    @Test func whatIsRefused() throws {
        let f = try Fixture.inMemory()
        let file = try f.create("file")
        let dir = try f.makeDirectory("dir")
        let long = FileName([UInt8](repeating: 65, count: 256))
        let cases: [(FileHandle, FileName, NFSStatus)] = [
            (file, "dir", .exists), (file, "file", .exists), (file, ".", .exists), (file, "..", .exists),
            (file, "", .accessDenied), (file, long, .nameTooLong), (dir, "new", .invalid),
        ]
        for (object, name, status) in cases {
            guard
                case .failure(status, let failure) = try f.reply(
                    NFS.Link.self, .init(object, link: f.target(name)))
            else {
                Issue.record("\(name)")
                continue
            }
            #expect(try failure.attributes == f.attributes(object))
            try f.expectConsistency(of: f.root) { failure.directory }
        }
        #expect(try f.attributes(file).linkCount == 1)
    }

    @Test(Need.callers) func whoMayLink() throws {
        let f = try Fixture.inMemory { $0.squash = .root }
        let ada = f.acting(as: Users.ada)
        let file = try ada.create("file", mode: 0o666)
        let dir = try ada.makeDirectory("dir")
        let target = f.target("x", in: dir)
        #expect(try f.acting(as: Users.eve).failure(NFS.Link.self, .init(file, link: target)) == .accessDenied)
        #expect(try f.acting(as: Users.root).failure(NFS.Link.self, .init(file, link: target)) == .accessDenied)
        #expect(try ada.failure(NFS.Link.self, .init(file, link: target)) == nil)
    }

    /// ext4 has room for 65,000 names of a file.
    @Test(.enabled(if: pathconf("/tmp", Int32(_PC_LINK_MAX)) == 65_000, "needs ext4 in /tmp: not in the kTLS lab"))
    func tooManyLinks() throws {
        let f = try Fixture()
        let file = try f.create("file")
        f.directory.make(directory: "names")
        for index in 1..<65_000 { try #require(link(f.path("file"), f.path("names/\(index)")) == 0) }
        #expect(try f.attributes(file).linkCount == 65_000)
        #expect(try f.failure(NFS.Link.self, .init(file, link: f.target("new"))) == .tooManyLinks)
        #expect(try f.call(NFS.PathConf.self, f.root).linkMaximum == 65_000)
    }
}
