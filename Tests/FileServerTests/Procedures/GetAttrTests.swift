import Glibc
import NFS
import RPC
import Testing

@testable import FileServer

/// RFC 1813 section 3.3.1, and fattr3 in section 2.6.
@Suite struct GetAttrTests {
    @Test func everyAttributeIsTheObjectsOwn() throws {
        let f = try Fixture.inMemory()
        try f.directory.write("file", "content", mode: 0o640)
        #expect(link(f.path("file"), f.path("second")) == 0)
        f.directory.make(directory: "dir")
        symlink("file", f.path("link"))
        mkfifo(f.path("fifo"), 0o600)
        let kinds: [(FileName, FileType)] = [
            ("file", .regular), ("dir", .directory), ("link", .symbolicLink), ("fifo", .fifo),
        ]
        for (name, type) in kinds {
            let attributes = try f.attributes(f.lookup(name))
            var status = stat()
            #expect(lstat(f.path("\(name)"), &status) == 0)
            #expect(attributes.type == type)
            #expect(attributes.mode == UInt32(status.st_mode & 0o7777))
            #expect(attributes.linkCount == UInt32(status.st_nlink))
            #expect(attributes.uid == status.st_uid && attributes.gid == status.st_gid)
            #expect(attributes.size == UInt64(status.st_size) && attributes.used == UInt64(status.st_blocks) * 512)
            #expect(attributes.deviceMajor == 0 && attributes.deviceMinor == 0)
            #expect(attributes.fileSystem == UInt64(status.st_dev) && attributes.fileID == UInt64(status.st_ino))
            for (told, kept) in [
                (attributes.accessTime, status.st_atim), (attributes.modificationTime, status.st_mtim),
                (attributes.changeTime, status.st_ctim),
            ] {
                #expect(told == NFSTime(seconds: UInt32(kept.tv_sec), nanoseconds: UInt32(kept.tv_nsec)))
            }
        }
        #expect(try f.attributes(f.lookup("file")).linkCount == 2)
        #expect(try f.attributes(f.lookup("second")).fileID == f.attributes(f.lookup("file")).fileID)
    }

    /// "used" is what it takes on the disk, and a hole takes nothing.
    @Test func aSparseFileUsesLessThanItsSize() throws {
        let f = try Fixture.inMemory()
        let file = try f.create("file")
        _ = try f.write(file, "end", offset: 5 << 30)
        let attributes = try f.attributes(file)
        #expect(attributes.size == 5 << 30 + 3)
        #expect(attributes.used > 0 && attributes.used < 1 << 20)
    }

    /// "In the NFS version 3 protocol, GETATTR needs no permission": who has the handle is told.
    @Test(Need.callers) func nobodysRightsAreAsked() throws {
        let f = try Fixture.inMemory { $0.squash = .root }
        let file = try f.acting(as: Users.ada).create("file", mode: 0)
        #expect(try f.acting(as: Users.eve).attributes(file).uid == 1001)
    }
}
