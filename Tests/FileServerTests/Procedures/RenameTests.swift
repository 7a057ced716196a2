import Glibc
import NFS
import RPC
import Testing

@testable import FileServer

/// RFC 1813 section 3.3.14.
@Suite struct RenameTests {
    private func rename(_ f: Fixture, _ from: FileName, _ to: FileName) throws -> NFSStatus? {
        try f.failure(NFS.Rename.self, .init(from: f.target(from), to: f.target(to)))
    }

    @Test(arguments: [HandleKind.automatic, .table])
    func bothDirectoriesAreTold(kind: HandleKind) throws {
        let f = try Fixture.inMemory(kind)
        let (a, b) = (try f.makeDirectory("a"), try f.makeDirectory("b"))
        let file = try f.create("file", in: a)
        _ = try f.write(file, "text")
        try f.expectConsistency(of: a) {
            var from = WeakCacheData()
            try f.expectConsistency(of: b) {
                let moved = try f.call(
                    NFS.Rename.self, .init(from: f.target("file", in: a), to: f.target("new", in: b)))
                from = moved.fromDirectory
                return moved.toDirectory
            }
            return from
        }
        #expect(try f.read(file).1 == "text" && f.lookup("new", in: b) == file, "the handle is the same")
        #expect(try f.failure(NFS.Lookup.self, f.target("file", in: a)) == .noEntry)
        try f.expectConsistency(of: b) {
            let both = try f.call(NFS.Rename.self, .init(from: f.target("new", in: b), to: f.target("x", in: b)))
            #expect(both.fromDirectory == both.toDirectory)
            return both.toDirectory
        }
    }

    @Test(arguments: [HandleKind.automatic, .table])
    func targetsThatAreReplaced(kind: HandleKind) throws {
        let f = try Fixture.inMemory(kind)
        let (one, two) = (try f.create("one"), try f.create("two"))
        _ = try f.write(two, "open")
        symlink("nowhere", f.path("link"))
        #expect(try rename(f, "one", "two") == nil)
        #expect(try f.lookup("two") == one && f.failure(NFS.GetAttr.self, two) == .stale)
        #expect(try rename(f, "link", "two") == nil, "neither is a directory")
        #expect(try f.failure(NFS.GetAttr.self, one) == .stale)
        let (full, empty) = (try f.makeDirectory("full"), try f.makeDirectory("empty"))
        let inside = try f.create("x", in: full)
        #expect(try rename(f, "full", "empty") == nil)
        #expect(try f.lookup("empty") == full && f.lookup("x", in: full) == inside)
        #expect(try f.failure(NFS.GetAttr.self, empty) == .stale)
    }

    /// "If they are not compatible or if the target is a directory but not empty": NFS3ERR_EXIST.
    @Test func targetsThatAreInTheWay() throws {
        let f = try Fixture.inMemory()
        _ = try f.create("file")
        _ = try f.makeDirectory("dir")
        let full = try f.makeDirectory("full")
        _ = try f.create("x", in: full)
        for (from, to): (FileName, FileName) in [("file", "dir"), ("dir", "file"), ("dir", "full"), ("file", "full")] {
            guard
                case .failure(.exists, let both) = try f.reply(
                    NFS.Rename.self, .init(from: f.target(from), to: f.target(to)))
            else {
                Issue.record("\(from) to \(to)")
                continue
            }
            try f.expectConsistency(of: f.root) { both.fromDirectory }
        }
        #expect(try f.list().entries.count == 5)
    }

    /// "might be hard links of each other: no action".
    @Test func twoNamesOfOneObject() throws {
        let f = try Fixture.inMemory()
        let file = try f.create("a")
        _ = try f.call(NFS.Link.self, .init(file, link: f.target("b")))
        #expect(try rename(f, "a", "b") == nil)
        #expect(try rename(f, "a", "a") == nil)
        #expect(try f.lookup("a") == file && f.lookup("b") == file && f.attributes(file).linkCount == 2)
    }

    @Test func whatIsRefused() throws {
        let f = try Fixture.inMemory()
        let dir = try f.makeDirectory("dir")
        let sub = try f.makeDirectory("sub", in: dir)
        #expect(try rename(f, "missing", "x") == .noEntry)
        for target in [f.target("x", in: dir), f.target("x", in: sub)] {
            let into = NFS.Rename.Arguments(from: f.target("dir"), to: target)
            #expect(try f.failure(NFS.Rename.self, into) == .invalid, "into itself")
        }
        for dots: FileName in [".", ".."] {
            #expect(try rename(f, dots, "x") == .invalid && rename(f, "dir", dots) == .invalid)
        }
        #expect(try rename(f, "dir", FileName([UInt8](repeating: 65, count: 256))) == .nameTooLong)
        #expect(try rename(f, "dir", "") == .accessDenied && rename(f, "", "x") == .accessDenied)
        #expect(try f.lookup("sub", in: dir) == sub)
    }

    @Test(arguments: [HandleKind.automatic, .table])
    func exportsAreFileSystemsOfTheirOwn(kind: HandleKind) throws {
        let directory = try Directory()
        for name in ["one", "two"] { directory.make(directory: name) }
        let f = try Fixture(kind, directory: directory)
        try f.server.reload(
            ["one", "two"].map {
                try Export(name: "/\($0)", directory: f.path($0), options: .forWriting)
            })
        let roots = try ["/one", "/two"].map { try #require(try f.mount.mnt(FileName($0))).root }
        let file = try f.create("file", in: roots[0])
        let target = f.target("file", in: roots[1])
        #expect(
            try f.failure(NFS.Rename.self, .init(from: f.target("file", in: roots[0]), to: target)) == .crossDevice)
        #expect(try f.failure(NFS.Link.self, .init(file, link: target)) == .crossDevice)
        // Whether the caller may come to the other export was not asked: nothing is told of its directories.
        let rename = try XDRCoder.encode(NFS.Rename.Arguments(from: f.target("file", in: roots[0]), to: target))
        let link = try XDRCoder.encode(NFS.Link.Arguments(file, link: target))
        let absent = [UInt8](repeating: 0, count: 8)
        #expect(try f.results(.rename, rename).suffix(8) == absent[...])
        #expect(try f.results(.link, link).suffix(8) == absent[...])
        #expect(f.directory.exists("one/file") && !f.directory.exists("two/file"))
    }

    @Test(Need.callers) func whoMayRename() throws {
        let f = try Fixture.inMemory { $0.squash = .root }
        let ada = f.acting(as: Users.ada)
        let dir = try ada.makeDirectory("dir")
        let open = try ada.makeDirectory("open", mode: 0o777)
        _ = try ada.create("file", in: dir)
        for stranger in [Users.eve, Users.root, .none] {
            let stranger = f.acting(as: stranger)
            let out = NFS.Rename.Arguments(from: f.target("file", in: dir), to: f.target("x", in: open))
            #expect(try stranger.failure(NFS.Rename.self, out) == .accessDenied)
            _ = try stranger.create("mine", in: open)
            let into = NFS.Rename.Arguments(from: f.target("mine", in: open), to: f.target("x", in: dir))
            #expect(try stranger.failure(NFS.Rename.self, into) == .accessDenied)
            _ = try stranger.call(NFS.Remove.self, f.target("mine", in: open))
        }
        #expect(try f.list(dir).entries.count == 3)
    }
}
