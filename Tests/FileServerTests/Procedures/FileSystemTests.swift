import Glibc
import NFS
import RPC
import Testing

@testable import FileServer

/// RFC 1813 sections 3.3.18, FSSTAT, 3.3.19, FSINFO, and 3.3.20, PATHCONF.
@Suite struct FileSystemTests {
    @Test(Need.mounts) func theFiguresAreTheFileSystems() throws {
        let disk = try SmallDisk("size=1m,nr_inodes=100")
        defer { withExtendedLifetime(disk) {} }
        let f = try Fixture(directory: disk.directory)
        let before = try f.call(NFS.FSStat.self, f.root)
        #expect(before.totalBytes == 1 << 20 && before.totalFiles == 100)
        #expect(before.freeBytes <= before.totalBytes && before.availableBytes <= before.freeBytes)
        #expect(before.freeFiles < before.totalFiles && before.availableFiles <= before.freeFiles)
        #expect(try before.attributes == f.attributes(f.root) && before.invariantSeconds == 0)
        let file = try f.create("file")
        _ = try f.write(file, String(repeating: "x", count: 64 << 10))
        let after = try f.call(NFS.FSStat.self, file)
        #expect(after.freeBytes == before.freeBytes - 64 << 10 && after.freeFiles == before.freeFiles - 1)
        _ = try f.call(NFS.Remove.self, f.target("file"))
        #expect(try f.call(NFS.FSStat.self, f.root).freeBytes == before.freeBytes)
    }

    @Test func whatTheServerCan() throws {
        let f = try Fixture.inMemory()
        let file = try f.create("file")
        for handle in [f.root, file] {
            let info = try f.call(NFS.FSInfo.self, handle)
            #expect(try info.attributes == f.attributes(handle))
            #expect(info.readPreferred <= info.readMaximum && info.writePreferred <= info.writeMaximum)
            #expect(info.readPreferred % info.readMultiple == 0 && info.writePreferred % info.writeMultiple == 0)
            #expect(info.directoryPreferred > 0 && info.timeDelta == NFSTime(seconds: 0 as UInt32, nanoseconds: 1))
            // FSF3_LINK, FSF3_SYMLINK, FSF3_HOMOGENEOUS, FSF3_CANSETTIME
            #expect(info.properties == 0x1 | 0x2 | 0x8 | 0x10)
        }
        // What it says it takes, it takes.
        let info = try f.call(NFS.FSInfo.self, file)
        let text = String(repeating: "x", count: Int(info.writeMaximum))
        #expect(try f.write(file, text).count == info.writeMaximum)
        #expect(try f.read(file, count: info.readMaximum).0.count == info.readMaximum)
        #expect(try f.list(count: info.directoryPreferred).endOfDirectory)
        #expect(status { _ = try f.write(file, "x", offset: info.maximumFileSize) } == .fileTooBig)
    }

    @Test func whatNamesMayBe() throws {
        let f = try Fixture.inMemory()
        let conf = try f.call(NFS.PathConf.self, f.root)
        #expect(try conf.attributes == f.attributes(f.root))
        func make(_ length: Int) throws -> NFSStatus? {
            let name = FileName([UInt8](repeating: 65, count: length))
            return try f.failure(NFS.Create.self, .init(f.target(name), .guarded(.init())))
        }
        #expect(try make(Int(conf.nameMaximum)) == nil)
        #expect(try make(Int(conf.nameMaximum) + 1) == .nameTooLong && conf.noTruncation)
        #expect(!conf.caseInsensitive && conf.casePreserving && conf.linkMaximum >= 2)
        #expect(try f.create("Case") != f.create("case"))
    }

    /// chown_restricted: only a privileged user gives files away.
    @Test(Need.callers) func whoMayGiveFilesAway() throws {
        let f = try Fixture.inMemory()
        #expect(try f.call(NFS.PathConf.self, f.root).changeOwnerRestricted)
        let file = try f.acting(as: Users.ada).create("file")
        let away = NFS.SetAttr.Arguments(file, .init(uid: 1002))
        #expect(try f.acting(as: Users.ada).failure(NFS.SetAttr.self, away) == .notPermitted)
        #expect(try f.acting(as: Users.root).failure(NFS.SetAttr.self, away) == nil)
    }
}
