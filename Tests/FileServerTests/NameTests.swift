import Glibc
import Kernel
import NFS
import Testing

@testable import FileServer

@Suite struct NameTests {
    @Test(arguments: [HandleKind.automatic, .table])
    func lookupFindsDotsAndNeverLeavesTheExport(kind: HandleKind) throws {
        let f = try Fixture(kind)
        f.directory.make(directory: "a")
        f.directory.make(directory: "a/b")
        let a = try f.lookup("a")
        let b = try f.lookup("b", in: a)
        #expect(try f.lookup(".", in: b) == b)
        #expect(try f.lookup("..", in: b) == a)
        #expect(try f.lookup("..", in: a) == f.root)
        #expect(try f.lookup("..") == f.root, "the root has nothing above it")
    }

    @Test func pathsDoNotLeaveTheirDirectory() throws {
        let directory = try Directory()
        directory.make(directory: "a")
        try directory.write("a/file", "x")
        #expect(symlink("/etc/passwd", directory.path + "/link") == 0)
        let root = try Files.open(directory.path, O_RDONLY | O_DIRECTORY)
        for path: FileName in ["..", "../etc", "/etc/passwd", "link", "a/../../b"] {
            #expect(throws: SystemError.self) { _ = try FileCalls.open(beneath: root.raw, path, O_RDONLY).raw }
        }
        #expect(throws: Never.self) { _ = try FileCalls.open(beneath: root.raw, "a/file", O_RDONLY).raw }
    }

    @Test func aDirectoryMovedOutOfTheExportLeadsNowhere() throws {
        let outside = try Directory()
        let inside = try Directory()
        inside.make(directory: "a")
        inside.make(directory: "a/b")
        let f = try Fixture(directory: inside)
        let b = try f.lookup("b", in: f.lookup("a"))
        #expect(rename("\(inside.path)/a", "\(outside.path)/a") == 0)
        #expect(try f.failure(NFS.Lookup.self, f.target("..", in: b)) == .accessDenied)
    }

    @Test(arguments: [HandleKind.automatic, .table])
    func symbolicLinksAreNotFollowed(kind: HandleKind) throws {
        let f = try Fixture(kind)
        symlink("/etc", "\(f.directory.path)/out")
        let out = try f.lookup("out")
        #expect(try f.attributes(out).type == .symbolicLink)
        #expect(try f.failure(NFS.Lookup.self, f.target("passwd", in: out)) == .notDirectory)
        #expect(status { _ = try f.list(out) } == .notDirectory)
        #expect(status { _ = try f.read(out) } == .invalid)
        #expect(status { _ = try f.write(out, "x") } == .invalid)
        #expect(try f.failure(NFS.Create.self, .init(f.target("new", in: out), .unchecked(.init()))) == .notDirectory)
        #expect(try f.failure(NFS.Create.self, .init(f.target("out"), .unchecked(.init()))) == .exists)
        #expect(try f.call(NFS.ReadLink.self, out).text == "/etc")
        #expect(throws: (any Error).self) { try f.mount.mnt("/e/out") }
    }

    @Test func namesThatAreRefused() throws {
        let f = try Fixture()
        try f.directory.write("file", "x")
        let long = FileName([UInt8](repeating: 65, count: 256))
        let names: [(FileName, NFSStatus)] = [
            ("", .accessDenied), ("a/b", .accessDenied), ("/", .accessDenied), (long, .nameTooLong),
            (FileName([97, 0, 98] as [UInt8]), .accessDenied), ("../etc", .accessDenied),
        ]
        for (name, status) in names {
            let target = f.target(name)
            #expect(try f.failure(NFS.Lookup.self, target) == status)
            #expect(try f.failure(NFS.Create.self, .init(target, .guarded(.init()))) == status)
            #expect(try f.failure(NFS.MkDir.self, .init(target, .init())) == status)
            #expect(try f.failure(NFS.SymLink.self, .init(target, .init(), text: "t")) == status)
            #expect(try f.failure(NFS.MkNod.self, .init(target, .fifo(.init()))) == status)
            #expect(try f.failure(NFS.Remove.self, target) == status)
            #expect(try f.failure(NFS.RmDir.self, target) == status)
            #expect(try f.failure(NFS.Rename.self, .init(from: target, to: f.target("ok"))) == status)
            #expect(try f.failure(NFS.Rename.self, .init(from: f.target("file"), to: target)) == status)
            #expect(try f.failure(NFS.Link.self, .init(f.lookup("file"), link: target)) == status)
        }
        #expect(try f.failure(NFS.Lookup.self, f.target("missing")) == .noEntry)
        #expect(try f.failure(NFS.Lookup.self, f.target("x", in: f.lookup("file"))) == .notDirectory)
        for dots: FileName in [".", ".."] {
            #expect(try f.failure(NFS.Create.self, .init(f.target(dots), .unchecked(.init()))) == .exists)
            #expect(try f.failure(NFS.MkDir.self, .init(f.target(dots), .init())) == .exists)
            #expect(try f.failure(NFS.SymLink.self, .init(f.target(dots), .init(), text: "t")) == .exists)
            #expect(try f.failure(NFS.MkNod.self, .init(f.target(dots), .fifo(.init()))) == .exists)
            #expect(try f.failure(NFS.Link.self, .init(f.lookup("file"), link: f.target(dots))) == .exists)
            #expect(try f.failure(NFS.Remove.self, f.target(dots)) == .accessDenied)
            #expect(try f.failure(NFS.Rename.self, .init(from: f.target(dots), to: f.target("ok"))) == .invalid)
        }
        #expect(try f.failure(NFS.RmDir.self, f.target(".")) == .invalid)
        #expect(try f.failure(NFS.RmDir.self, f.target("..")) == .exists)
    }

    @Test(arguments: [HandleKind.automatic, .table])
    func namesThatAreNoText(kind: HandleKind) throws {
        let f = try Fixture(kind)
        let name = FileName([0xff, 0xfe, 0x20] as [UInt8])
        let made = try f.call(NFS.Create.self, .init(f.target(name), .guarded(.init())))
        #expect(try f.lookup(name) == made.object)
        #expect(try f.list().entries.contains { $0.name == name })
        #expect(try f.failure(NFS.Remove.self, f.target(name)) == nil)
    }

    @Test func twoHundredAndFiftyFiveBytesAreAName() throws {
        let f = try Fixture()
        let name = FileName([UInt8](repeating: 65, count: 255))
        #expect(try f.failure(NFS.Create.self, .init(f.target(name), .guarded(.init()))) == nil)
    }
}
