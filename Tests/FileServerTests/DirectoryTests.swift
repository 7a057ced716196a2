import Glibc
import NFS
import Testing

@testable import FileServer

@Suite struct DirectoryTests {
    @Test(arguments: [HandleKind.automatic, .table])
    func createInEveryMode(kind: HandleKind) throws {
        let f = try Fixture(kind)
        let attributes = SetAttributes(mode: 0o666, size: 0)
        let made = try f.call(NFS.Create.self, .init(f.target("new"), .guarded(attributes)))
        let handle = try #require(made.object)
        #expect(made.attributes?.mode == 0o666, "whatever the umask is")
        #expect(made.directory.before != nil && made.directory.after != nil)
        _ = try f.write(handle, "content")
        #expect(try f.failure(NFS.Create.self, .init(f.target("new"), .guarded(attributes))) == .exists)
        let same = try f.call(NFS.Create.self, .init(f.target("new"), .unchecked(SetAttributes(mode: 0o600))))
        #expect(same.object == handle && same.attributes?.size == 7 && same.attributes?.mode == 0o666)
        let cut = try f.call(NFS.Create.self, .init(f.target("new"), .unchecked(SetAttributes(size: 0))))
        #expect(cut.attributes?.size == 0)
        f.directory.make(directory: "dir")
        #expect(try f.failure(NFS.Create.self, .init(f.target("dir"), .unchecked(attributes))) == .exists)
    }

    @Test(arguments: [HandleKind.automatic, .table])
    func exclusiveCreateIsTheSameTwice(kind: HandleKind) throws {
        let f = try Fixture(kind)
        let verifier: NFS.Verifier = 0xdead_beef_cafe_f00d
        let first = try f.call(NFS.Create.self, .init(f.target("new"), .exclusive(verifier)))
        let again = try f.call(NFS.Create.self, .init(f.target("new"), .exclusive(verifier)))
        #expect(first.object == again.object)
        #expect(try f.failure(NFS.Create.self, .init(f.target("new"), .exclusive(verifier ^ 1))) == .exists)
        _ = try f.write(#require(first.object), "x")
        #expect(try f.failure(NFS.Create.self, .init(f.target("new"), .exclusive(verifier))) == .exists)
    }

    @Test func aCreateThatFailsLeavesNothing() throws {
        let f = try Fixture()
        let impossible = SetAttributes(modificationTime: .at(NFSTime(seconds: 1 as UInt32, nanoseconds: .max)))
        #expect(try f.failure(NFS.Create.self, .init(f.target("new"), .guarded(impossible))) == .invalid)
        #expect(try f.failure(NFS.MkDir.self, .init(f.target("new"), impossible)) == .invalid)
        #expect(try f.failure(NFS.SymLink.self, .init(f.target("new"), impossible, text: "t")) == .invalid)
        #expect(!f.directory.exists("new"))
    }

    @Test(arguments: [HandleKind.automatic, .table])
    func makeAndRemove(kind: HandleKind) throws {
        let f = try Fixture(kind)
        let made = try f.call(NFS.MkDir.self, .init(f.target("dir"), SetAttributes(mode: 0o1777)))
        let dir = try #require(made.object)
        #expect(made.attributes?.mode == 0o1777 && made.attributes?.type == .directory)
        #expect(try f.failure(NFS.MkDir.self, .init(f.target("dir"), .init())) == .exists)
        let file = try #require(f.call(NFS.Create.self, .init(f.target("file", in: dir), .guarded(.init()))).object)
        #expect(try f.failure(NFS.RmDir.self, f.target("dir")) == .notEmpty)
        #expect(try f.failure(NFS.RmDir.self, f.target("file", in: dir)) == .notDirectory)
        #expect(try f.failure(NFS.Remove.self, f.target("dir")) == .isDirectory)
        #expect(try f.failure(NFS.Remove.self, f.target("missing")) == .noEntry)
        _ = try f.write(file, "it is open for writing")
        _ = try f.call(NFS.Remove.self, f.target("file", in: dir))
        #expect(try f.failure(NFS.GetAttr.self, file) == .stale)
        #expect(status { _ = try f.read(file) } == .stale)
        _ = try f.call(NFS.RmDir.self, f.target("dir"))
        #expect(try f.failure(NFS.GetAttr.self, dir) == .stale)
        #expect(status { _ = try f.list(dir) } == .stale)
    }

    @Test(arguments: [HandleKind.automatic, .table])
    func handlesOutliveRenames(kind: HandleKind) throws {
        let f = try Fixture(kind)
        f.directory.make(directory: "a")
        f.directory.make(directory: "b")
        try f.directory.write("a/file", "content")
        try f.directory.write("b/old", "old")
        let (a, b) = (try f.lookup("a"), try f.lookup("b"))
        let file = try f.lookup("file", in: a)
        let old = try f.lookup("old", in: b)
        #expect(try f.read(old).1 == "old")
        let moved = try f.call(NFS.Rename.self, .init(from: f.target("file", in: a), to: f.target("old", in: b)))
        #expect(moved.fromDirectory.before != nil && moved.toDirectory.after != nil)
        f.server.closeIdleFiles(after: 0)
        #expect(try f.read(file).1 == "content")
        #expect(try f.failure(NFS.GetAttr.self, old) == .stale, "replaced")
        _ = try f.call(NFS.Rename.self, .init(from: f.target("b"), to: f.target("c", in: a)))
        f.server.closeIdleFiles(after: 0)
        #expect(try f.read(file).1 == "content", "its directory moved")
        #expect(try f.lookup("old", in: b) == file)
    }

    @Test func renamesThatAreRefused() throws {
        let f = try Fixture()
        f.directory.make(directory: "dir")
        f.directory.make(directory: "full")
        try f.directory.write("full/x", "")
        try f.directory.write("file", "")
        func rename(_ from: FileName, _ to: FileName) throws -> NFSStatus? {
            try f.failure(NFS.Rename.self, .init(from: f.target(from), to: f.target(to)))
        }
        #expect(try rename("missing", "x") == .noEntry)
        #expect(try rename("file", "dir") == .exists)
        #expect(try rename("dir", "file") == .exists)
        #expect(try rename("dir", "full") == .exists)
        let dir = try f.lookup("dir")
        #expect(try f.failure(NFS.Rename.self, .init(from: f.target("dir"), to: f.target("x", in: dir))) == .invalid)
        #expect(try rename("file", "file") == nil)
        #expect(f.directory.exists("file"))
    }

    @Test(arguments: [HandleKind.automatic, .table])
    func links(kind: HandleKind) throws {
        let f = try Fixture(kind, directory: Directory(in: Directory.memory))
        try f.directory.write("file", "x")
        let file = try f.lookup("file")
        let linked = try f.call(NFS.Link.self, .init(file, link: f.target("second")))
        #expect(linked.attributes?.linkCount == 2)
        _ = try f.call(NFS.Remove.self, f.target("file"))
        f.server.closeIdleFiles(after: 0)
        #expect(try f.read(file).1 == "x", "it has a name yet")
        #expect(try f.failure(NFS.Link.self, .init(f.root, link: f.target("d"))) == .invalid)
        let made = try f.call(NFS.SymLink.self, .init(f.target("soft"), .init(mode: 0o777), text: "../any/where"))
        #expect(try f.call(NFS.ReadLink.self, #require(made.object)).text == "../any/where")
        #expect(try f.failure(NFS.ReadLink.self, file) == .invalid)
        #expect(try f.failure(NFS.SymLink.self, .init(f.target("e"), .init(), text: "")) == .invalid)
    }

    @Test func aReadOnlyExportChangesNothing() throws {
        let directory = try Directory()
        try directory.write("file", "content")
        directory.make(directory: "dir")
        let f = try Fixture(readOnly: true, directory: directory)
        let file = try f.lookup("file")
        #expect(try f.failure(NFS.SetAttr.self, .init(file, SetAttributes(size: 0))) == .readOnly)
        #expect(status { _ = try f.write(file, "x") } == .readOnly)
        #expect(try f.failure(NFS.Create.self, .init(f.target("file"), .unchecked(.init(size: 0)))) == .readOnly)
        #expect(try f.failure(NFS.MkDir.self, .init(f.target("new"), .init())) == .readOnly)
        #expect(try f.failure(NFS.SymLink.self, .init(f.target("new"), .init(), text: "t")) == .readOnly)
        #expect(try f.failure(NFS.Remove.self, f.target("file")) == .readOnly)
        #expect(try f.failure(NFS.RmDir.self, f.target("dir")) == .readOnly)
        #expect(try f.failure(NFS.Rename.self, .init(from: f.target("file"), to: f.target("x"))) == .readOnly)
        #expect(try f.failure(NFS.Link.self, .init(file, link: f.target("x"))) == .readOnly)
        #expect(try f.read(file).1 == "content")
    }
}
