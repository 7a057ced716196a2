import Glibc
import NFS
import RPC
import Testing

@testable import FileServer

/// What all procedures say of handles that are good for nothing: RFC 1813 section 2.6, NFS3ERR_BADHANDLE and
/// NFS3ERR_STALE, and of arguments that are none: RFC 5531 section 9, GARBAGE_ARGS.
@Suite struct EveryProcedureTests {
    /// A call of every procedure but NULL, by the number of its section in RFC 1813: 3.3.1 is GETATTR.
    ///
    /// - Parameters:
    ///   - handle: what the call is about.
    ///   - other: the other handle of RENAME and LINK.
    private func calls(_ handle: FileHandle, _ other: FileHandle) throws -> [(NFS.ProcedureNumber, [UInt8])] {
        let (here, there) = (DirectoryOperation(handle, "a"), DirectoryOperation(other, "b"))
        let none = SetAttributes()
        let write = try NFS.Write.encode(.init(handle, offset: 0, count: 4, stability: .fileSync)) + [1, 2, 3, 4]
        return try [
            (.getAttr, XDRCoder.encode(handle)), (.setAttr, XDRCoder.encode(NFS.SetAttr.Arguments(handle, none))),
            (.lookup, XDRCoder.encode(here)), (.access, XDRCoder.encode(NFS.Access.Arguments(handle, .read))),
            (.readLink, XDRCoder.encode(handle)),
            (.read, XDRCoder.encode(NFS.Read.Arguments(handle, offset: 0, count: 1))), (.write, write),
            (.create, XDRCoder.encode(NFS.Create.Arguments(here, .unchecked(none)))),
            (.mkDir, XDRCoder.encode(NFS.MkDir.Arguments(here, none))),
            (.symLink, XDRCoder.encode(NFS.SymLink.Arguments(here, none, text: "t"))),
            (.mkNod, XDRCoder.encode(NFS.MkNod.Arguments(here, .fifo(none)))), (.remove, XDRCoder.encode(here)),
            (.rmDir, XDRCoder.encode(here)), (.rename, XDRCoder.encode(NFS.Rename.Arguments(from: here, to: there))),
            (.link, XDRCoder.encode(NFS.Link.Arguments(handle, link: there))),
            (.readDir, XDRCoder.encode(NFS.ReadDir.Arguments(handle, count: 1000))),
            (.readDirPlus, XDRCoder.encode(NFS.ReadDirPlus.Arguments(handle, directoryCount: 999, maximumCount: 999))),
            (.fsStat, XDRCoder.encode(handle)), (.fsInfo, XDRCoder.encode(handle)),
            (.pathConf, XDRCoder.encode(handle)),
            (.commit, XDRCoder.encode(NFS.Commit.Arguments(handle, offset: 0, count: 0))),
        ]
    }

    private func expect(
        _ status: NFSStatus, of handle: FileHandle, in f: Fixture, location: SourceLocation = #_sourceLocation
    ) throws {
        let calls = try calls(handle, f.root)
        #expect(Set(calls.map(\.0)).count == NFS.ProcedureNumber.allCases.count - 1)
        for (procedure, arguments) in calls {
            #expect(f.answer(procedure, arguments).status == status, "\(procedure)", sourceLocation: location)
        }
        // RENAME and LINK have another handle.
        let target = DirectoryOperation(handle, "x")
        let file = try f.lookup("file")
        #expect(
            try f.failure(NFS.Rename.self, .init(from: f.target("file"), to: target)) == status,
            sourceLocation: location)
        #expect(try f.failure(NFS.Link.self, .init(file, link: target)) == status, sourceLocation: location)
        #expect(f.directory.exists("file"), sourceLocation: location)
    }

    @Test(arguments: [HandleKind.automatic, .table])
    func handlesThatWereNeverGiven(kind: HandleKind) throws {
        let f = try Fixture(kind)
        try f.directory.write("file", "content")
        let good = try f.lookup("file").bytes
        var flipped = good
        flipped[flipped.count / 2] ^= 4
        let long = good + [UInt8](repeating: 0, count: FileHandle.limit - good.count)
        for bytes in [[], [7], Array(good.dropLast()), flipped, long, [UInt8](repeating: 0xff, count: 64)]
        where bytes != good {
            try expect(.badHandle, of: #require(FileHandle(bytes)), in: f)
        }
    }

    /// Section 3.3.0.
    @Test func nullDoesNothing() throws {
        let f = try Fixture()
        guard case .results(let bytes) = f.answer(.null, []), bytes.isEmpty else {
            Issue.record("NULL has results")
            return
        }
    }

    /// Section 2.3.3: at most NFS3_FHSIZE bytes.
    @Test func aHandleThatIsLongerThanTheProtocolAllows() throws {
        let f = try Fixture()
        for procedure in NFS.ProcedureNumber.allCases where procedure != .null {
            guard case .garbageArguments = f.answer(procedure, [0, 0, 0, 68] + [UInt8](repeating: 0, count: 200)) else {
                Issue.record("\(procedure)")
                continue
            }
        }
    }

    @Test(arguments: [HandleKind.automatic, .table], [true, false])
    func objectsThatAreGone(kind: HandleKind, byClient: Bool) throws {
        let f = try Fixture.inMemory(kind)
        try f.directory.write("file", "")
        let file = try f.create("gone")
        let dir = try f.makeDirectory("dir")
        _ = try f.write(file, "open")
        if byClient {
            _ = try f.call(NFS.Remove.self, f.target("gone"))
            _ = try f.call(NFS.RmDir.self, f.target("dir"))
        } else {
            #expect(unlink(f.path("gone")) == 0 && rmdir(f.path("dir")) == 0)
        }
        try expect(.stale, of: file, in: f)
        try expect(.stale, of: dir, in: f)
    }

    /// The inode number may be the same: a handle is of one file.
    @Test(arguments: [HandleKind.automatic, .table])
    func anEarlierFileOfTheSameName(kind: HandleKind) throws {
        let f = try Fixture(kind)
        try f.directory.write("file", "")
        let first = try f.create("again")
        _ = try f.call(NFS.Remove.self, f.target("again"))
        let second = try f.create("again")
        #expect(first != second)
        try expect(.stale, of: first, in: f)
        #expect(try f.attributes(second).size == 0)
    }

    @Test func exportsThatAreWithdrawn() throws {
        let (directory, other) = (try Directory(), try Directory())
        try directory.write("file", "")
        try other.write("file", "")
        let exports = try [
            Export(name: "/e", directory: directory.path, options: .forWriting),
            Export(name: "/other", directory: other.path, options: .forWriting),
        ]
        let f = try Fixture(directory: directory)
        try f.server.reload(exports)
        let gone = try #require(try f.mount.mnt("/other")).root
        #expect(try f.attributes(gone).type == .directory)
        try f.server.reload([exports[0]])
        try expect(.stale, of: gone, in: f)
        try f.server.reload(exports)
        #expect(try f.attributes(gone).type == .directory, "served again, and the same handle")
    }

    /// Sections 3.3.3 and 3.3.8 to 3.3.17: NFS3ERR_NOTDIR where a directory is wanted.
    @Test func handlesThatAreNoDirectories() throws {
        let f = try Fixture()
        let file = try f.create("file")
        let wanting: Set<NFS.ProcedureNumber> = [
            .lookup, .create, .mkDir, .symLink, .mkNod, .remove, .rmDir, .rename, .readDir, .readDirPlus,
        ]
        for (procedure, arguments) in try calls(file, f.root) where wanting.contains(procedure) {
            #expect(f.answer(procedure, arguments).status == .notDirectory, "\(procedure)")
        }
        let target = DirectoryOperation(file, "x")
        #expect(try f.failure(NFS.Rename.self, .init(from: f.target("file"), to: target)) == .notDirectory)
        #expect(try f.failure(NFS.Link.self, .init(file, link: target)) == .notDirectory)
    }

    /// NFS3ERR_ROFS in each section that has it: the export is read-only.
    @Test func whatAReadOnlyExportRefuses() throws {
        let f = try Fixture.inMemory()
        let file = try f.create("file")
        let dir = try f.makeDirectory("dir")
        _ = try f.create("a", in: dir)
        let readOnly = try f.again(readOnly: true)
        let handles = (try readOnly.lookup("file"), try readOnly.lookup("dir"))
        let before = (try f.attributes(file), try f.attributes(dir))
        let changing: Set<NFS.ProcedureNumber> = [
            .setAttr, .create, .mkDir, .symLink, .mkNod, .remove, .rmDir, .rename,
        ]
        for (procedure, arguments) in try calls(handles.1, readOnly.root) where changing.contains(procedure) {
            #expect(readOnly.answer(procedure, arguments).status == .readOnly, "\(procedure)")
        }
        for (procedure, arguments) in try calls(handles.0, readOnly.root) where [.write, .link].contains(procedure) {
            #expect(readOnly.answer(procedure, arguments).status == .readOnly, "\(procedure)")
        }
        #expect(try (f.attributes(file), f.attributes(dir)) == before)
    }

    /// The same error where the file system itself is read-only.
    @Test(Need.mounts) func whatAReadOnlyFileSystemRefuses() throws {
        let disk = try SmallDisk("size=1m")
        defer { withExtendedLifetime(disk) {} }
        let f = try Fixture(directory: disk.directory)
        let (dir, file) = (try f.makeDirectory("dir"), try f.create("file"))
        _ = try f.create("a", in: dir)
        f.server.closeIdleFiles(after: 0)
        try disk.makeReadOnly()
        let set = SetAttributes(mode: 0o600)
        #expect(try f.failure(NFS.SetAttr.self, .init(file, set)) == .readOnly)
        #expect(try f.failure(NFS.SetAttr.self, .init(file, SetAttributes(size: 0))) == .readOnly)
        #expect(status { _ = try f.write(file, "x") } == .readOnly)
        let changing: Set<NFS.ProcedureNumber> = [.mkDir, .symLink, .mkNod, .remove, .rename, .link]
        for (procedure, arguments) in try calls(dir, f.root) where changing.contains(procedure) && procedure != .link {
            // "a" is there: what makes a name says so first (open(2), EEXIST).
            let status = f.answer(procedure, arguments).status
            #expect(status == .readOnly || status == .exists, "\(procedure)")
        }
        #expect(try f.failure(NFS.Create.self, .init(f.target("new"), .guarded(set))) == .readOnly)
        #expect(try f.failure(NFS.MkDir.self, .init(f.target("new"), set)) == .readOnly)
        #expect(try f.failure(NFS.SymLink.self, .init(f.target("new"), .init(), text: "t")) == .readOnly)
        #expect(try f.failure(NFS.MkNod.self, .init(f.target("new"), .fifo(set))) == .readOnly)
        #expect(try f.failure(NFS.Remove.self, f.target("file")) == .readOnly)
        #expect(try f.failure(NFS.RmDir.self, f.target("dir")) == .readOnly)
        #expect(try f.failure(NFS.Link.self, .init(file, link: f.target("new"))) == .readOnly)
        #expect(try f.failure(NFS.Rename.self, .init(from: f.target("file"), to: f.target("new"))) == .readOnly)
        #expect(try f.read(file).1 == "")
    }

    /// NFS3ERR_NOSPC in each section that has it.
    @Test(Need.mounts) func whatAFullDiskRefuses() throws {
        let disk = try SmallDisk("size=64k,nr_inodes=4")
        defer { withExtendedLifetime(disk) {} }
        let f = try Fixture(directory: disk.directory)
        let file = try f.create("file")
        _ = try f.makeDirectory("dir")
        var left = 0
        while try f.failure(NFS.MkNod.self, .init(f.target(FileName("\(left)")), .fifo(.init()))) == nil { left += 1 }
        #expect(left < 4)
        #expect(try f.failure(NFS.Create.self, .init(f.target("new"), .unchecked(.init()))) == .noSpace)
        #expect(try f.failure(NFS.Create.self, .init(f.target("new"), .exclusive(1))) == .noSpace)
        #expect(try f.failure(NFS.MkDir.self, .init(f.target("new"), .init())) == .noSpace)
        #expect(try f.failure(NFS.SymLink.self, .init(f.target("new"), .init(), text: "t")) == .noSpace)
        #expect(try f.failure(NFS.MkNod.self, .init(f.target("new"), .fifo(.init()))) == .noSpace)
        #expect(try f.failure(NFS.Link.self, .init(file, link: f.target("new"))) == .noSpace)
        #expect(
            status { _ = try f.write(file, String(repeating: "x", count: 1 << 20)) } == .noSpace)
        #expect(try f.list().entries.contains { $0.name == "new" } == false)
        _ = try f.call(NFS.Remove.self, f.target("0"))
        #expect(try f.failure(NFS.Link.self, .init(file, link: f.target("new"))) == nil, "there is room again")
    }
}
