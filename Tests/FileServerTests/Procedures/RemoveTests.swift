import Glibc
import NFS
import RPC
import Testing

@testable import FileServer

/// RFC 1813 sections 3.3.12, REMOVE, and 3.3.13, RMDIR.
@Suite struct RemoveTests {
    @Test(arguments: [HandleKind.automatic, .table])
    func everyKindOfObject(kind: HandleKind) throws {
        let f = try Fixture.inMemory(kind)
        try f.directory.write("file", "")
        symlink("file", f.path("link"))
        mkfifo(f.path("fifo"), 0o600)
        f.directory.make(directory: "dir")
        for name: FileName in ["link", "fifo", "file"] {
            let handle = try f.lookup(name)
            try f.expectConsistency(of: f.root) { try f.call(NFS.Remove.self, f.target(name)) }
            #expect(try f.failure(NFS.GetAttr.self, handle) == .stale)
        }
        let dir = try f.lookup("dir")
        try f.expectConsistency(of: f.root) { try f.call(NFS.RmDir.self, f.target("dir")) }
        #expect(try f.failure(NFS.GetAttr.self, dir) == .stale)
        #expect(try f.failure(NFS.Create.self, .init(f.target("x", in: dir), .guarded(.init()))) == .stale)
        #expect(try f.list().entries.count == 2)
    }

    /// The object goes with its last name.
    @Test(arguments: [HandleKind.automatic, .table])
    func oneNameOfTwo(kind: HandleKind) throws {
        let f = try Fixture.inMemory(kind)
        let file = try f.create("a")
        _ = try f.write(file, "text")
        _ = try f.call(NFS.Link.self, .init(file, link: f.target("b")))
        _ = try f.call(NFS.Remove.self, f.target("a"))
        #expect(try f.read(file).1 == "text" && f.attributes(file).linkCount == 1)
        _ = try f.call(NFS.Remove.self, f.target("b"))
        #expect(status { _ = try f.read(file) } == .stale)
        #expect(status { _ = try f.write(file, "x") } == .stale)
    }

    @Test func whatIsRefused() throws {
        let f = try Fixture.inMemory()
        _ = try f.create("file")
        let dir = try f.makeDirectory("dir")
        _ = try f.create("x", in: dir)
        symlink("dir", f.path("link"))
        let cases: [(FileName, remove: NFSStatus?, rmdir: NFSStatus)] = [
            ("missing", .noEntry, .noEntry), ("dir", .isDirectory, .notEmpty), (".", .accessDenied, .invalid),
            ("..", .accessDenied, .exists), ("", .accessDenied, .accessDenied), ("file", nil, .notDirectory),
            ("link", nil, .notDirectory),
        ]
        for (name, _, rmdir) in cases {
            try f.expectConsistency(of: f.root) { try f.reply(NFS.RmDir.self, f.target(name)).data(failing: rmdir) }
        }
        for (name, remove, _) in cases {
            guard let remove else { continue }
            try f.expectConsistency(of: f.root) { try f.reply(NFS.Remove.self, f.target(name)).data(failing: remove) }
        }
        #expect(try f.lookup("x", in: dir) != dir)
    }

    @Test(Need.callers) func whoMayRemove() throws {
        let f = try Fixture.inMemory { $0.squash = .root }
        let ada = f.acting(as: Users.ada)
        let dir = try ada.makeDirectory("dir")
        _ = try ada.create("file", in: dir)
        _ = try ada.makeDirectory("sub", in: dir)
        for stranger in [Users.eve, Users.root, .none] {
            let stranger = f.acting(as: stranger)
            #expect(try stranger.failure(NFS.Remove.self, f.target("file", in: dir)) == .accessDenied)
            #expect(try stranger.failure(NFS.RmDir.self, f.target("sub", in: dir)) == .accessDenied)
        }
        #expect(try ada.failure(NFS.Remove.self, f.target("file", in: dir)) == nil)
        #expect(try ada.failure(NFS.RmDir.self, f.target("sub", in: dir)) == nil)
    }

    /// A sticky directory: only the owner of the object, or of the directory, takes it away. NFS3ERR_PERM is "not owner".
    @Test(Need.callers) func stickyDirectories() throws {
        let f = try Fixture.inMemory { $0.squash = .root }
        chmod(f.directory.path, 0o1777)
        let (ada, eve) = (f.acting(as: Users.ada), f.acting(as: Users.eve))
        _ = try ada.create("file", mode: 0o666)
        _ = try ada.makeDirectory("dir", mode: 0o777)
        _ = try eve.create("hers")
        #expect(try eve.failure(NFS.Remove.self, f.target("file")) == .notPermitted)
        #expect(try eve.failure(NFS.RmDir.self, f.target("dir")) == .notPermitted)
        #expect(try eve.failure(NFS.Rename.self, .init(from: f.target("file"), to: f.target("x"))) == .notPermitted)
        #expect(try eve.failure(NFS.Rename.self, .init(from: f.target("hers"), to: f.target("file"))) == .notPermitted)
        #expect(try ada.failure(NFS.Remove.self, f.target("file")) == nil)
        #expect(try ada.failure(NFS.RmDir.self, f.target("dir")) == nil)
    }

    /// A mount point is nobody's to remove, and asking again does not help: not NFS3ERR_JUKEBOX.
    @Test(Need.mounts) func mountPoints() throws {
        let f = try Fixture(.table)
        f.directory.make(directory: "dir")
        try #require(mount("tmpfs", f.path("dir"), "tmpfs", 0, "size=64k") == 0)
        defer { umount2(f.path("dir"), Int32(MNT_DETACH)) }
        #expect(try f.failure(NFS.RmDir.self, f.target("dir")) == .accessDenied)
        let rename = NFS.Rename.Arguments(from: f.target("dir"), to: f.target("x"))
        #expect(try f.failure(NFS.Rename.self, rename) == .accessDenied)
    }
}
