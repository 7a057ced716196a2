import Glibc
import NFS
import Testing

@testable import FileServer

@Suite struct AttributeTests {
    @Test(arguments: [HandleKind.automatic, .table])
    func getAttrOfEveryKindOfObject(kind: HandleKind) throws {
        let f = try Fixture(kind)
        try f.directory.write("file", "hello", mode: 0o640)
        f.directory.make(directory: "dir")
        symlink("file", "\(f.directory.path)/link")
        mkfifo("\(f.directory.path)/fifo", 0o600)
        let file = try f.attributes(f.lookup("file"))
        #expect(file.type == .regular && file.size == 5 && file.mode == 0o640 && file.linkCount == 1)
        var status = stat()
        stat("\(f.directory.path)/file", &status)
        #expect(file.fileID == UInt64(status.st_ino) && file.modificationTime.seconds == UInt32(status.st_mtim.tv_sec))
        #expect(try f.attributes(f.lookup("dir")).type == .directory)
        #expect(try f.attributes(f.lookup("link")).type == .symbolicLink)
        #expect(try f.attributes(f.lookup("fifo")).type == .fifo)
        #expect(try f.attributes(f.root).type == .directory)
    }

    @Test(arguments: [HandleKind.automatic, .table])
    func setAttrSetsEverything(kind: HandleKind) throws {
        let f = try Fixture(kind, directory: Directory(in: Directory.memory))
        try f.directory.write("file", "hello")
        let file = try f.lookup("file")
        let time = NFSTime(seconds: 1_000_000 as UInt32, nanoseconds: 5000)
        let data = try f.call(
            NFS.SetAttr.self,
            .init(file, SetAttributes(mode: 0o751, size: 3, accessTime: .now, modificationTime: .at(time))))
        #expect(data.before?.size == 5 && data.after?.size == 3)
        #expect(data.after?.mode == 0o751 && data.after?.modificationTime == time)
        #expect(try f.directory.read("file") == "hel")
        #expect(try f.call(NFS.SetAttr.self, .init(file, SetAttributes(size: 8))).after?.size == 8)
        if geteuid() == 0 {
            let owned = try f.call(NFS.SetAttr.self, .init(file, SetAttributes(uid: 12, gid: 34))).after
            #expect(owned?.uid == 12 && owned?.gid == 34)
            #expect(owned?.mode == 0o751, "the owner alone was to change")
        }
    }

    @Test func setAttrRefuses() throws {
        let f = try Fixture()
        try f.directory.write("file", "hello")
        f.directory.make(directory: "dir")
        let (file, dir) = (try f.lookup("file"), try f.lookup("dir"))
        let now = try f.attributes(file).changeTime
        let other = NFSTime(seconds: now.seconds &- 1, nanoseconds: 0)
        let set = SetAttributes(mode: 0o600)
        #expect(try f.failure(NFS.SetAttr.self, .init(file, set, guardTime: other)) == .notSynchronized)
        #expect(try f.attributes(file).mode == 0o644)
        #expect(try f.failure(NFS.SetAttr.self, .init(file, set, guardTime: now)) == nil)
        #expect(try f.failure(NFS.SetAttr.self, .init(dir, SetAttributes(size: 0))) == .invalid)
        #expect(try f.failure(NFS.SetAttr.self, .init(file, SetAttributes(size: .max))) == .fileTooBig)
        let nanoseconds = NFSTime(seconds: 1 as UInt32, nanoseconds: 1_000_000_000)
        #expect(
            try f.failure(NFS.SetAttr.self, .init(file, SetAttributes(modificationTime: .at(nanoseconds)))) == .invalid)
    }

    @Test func accessAnswersWhatWasAsked() throws {
        let f = try Fixture()
        try f.directory.write("file", "x", mode: 0o644)
        let file = try f.lookup("file")
        #expect(try f.call(NFS.Access.self, .init(file, [.read])).rights == [.read])
        let all: NFS.Access.Rights = [.read, .lookup, .modify, .extend, .delete, .execute]
        #expect(try f.call(NFS.Access.self, .init(file, all)).rights == [.read, .modify, .extend])
        #expect(try f.call(NFS.Access.self, .init(f.root, all)).rights == [.read, .lookup, .modify, .extend, .delete])
        let readOnly = try Fixture(readOnly: true, directory: f.directory)
        #expect(try readOnly.call(NFS.Access.self, .init(readOnly.lookup("file"), all)).rights == [.read])
        #expect(try readOnly.call(NFS.Access.self, .init(readOnly.root, all)).rights == [.read, .lookup])
    }

    @Test func fileSystemFigures() throws {
        let f = try Fixture()
        var system = statvfs()
        statvfs(f.directory.path, &system)
        let figures = try f.call(NFS.FSStat.self, f.root)
        #expect(figures.totalBytes == UInt64(system.f_blocks) * UInt64(system.f_frsize))
        #expect(figures.totalFiles == UInt64(system.f_files) && figures.freeBytes >= figures.availableBytes)
        let info = try f.call(NFS.FSInfo.self, f.root)
        #expect(info.readMaximum == 4 << 20 && info.writeMaximum == 4 << 20 && info.properties == 0x1b)
        #expect(info.maximumFileSize == UInt64(Int64.max))
        let path = try f.call(NFS.PathConf.self, f.root)
        #expect(path.nameMaximum == 255 && path.noTruncation && !path.caseInsensitive && path.casePreserving)
        #expect(path.linkMaximum >= 127)
    }
}
