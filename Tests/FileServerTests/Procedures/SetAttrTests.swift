import Glibc
import NFS
import RPC
import Testing

@testable import FileServer

/// RFC 1813 section 3.3.2.
@Suite struct SetAttrTests {
    private func set(_ f: Fixture, _ handle: FileHandle, _ attributes: SetAttributes) throws -> NFSStatus? {
        try f.failure(NFS.SetAttr.self, .init(handle, attributes))
    }

    @Test(arguments: [HandleKind.automatic, .table])
    func theSizeCutsAndExtends(kind: HandleKind) throws {
        let f = try Fixture.inMemory(kind)
        let file = try f.create("file")
        _ = try f.write(file, "content")
        for size: UInt64 in [3, 9, 5 << 30, 4] {
            try f.expectConsistency(of: file) { try f.call(NFS.SetAttr.self, .init(file, SetAttributes(size: size))) }
            #expect(try f.attributes(file).size == size)
        }
        #expect(try f.read(file).1 == "con\0", "what was added is zero")
    }

    @Test func eachWayToSetTimes() throws {
        let f = try Fixture.inMemory()
        let file = try f.create("file")
        let (a, b) = (NFSTime(seconds: 1, nanoseconds: 999_999_999), NFSTime(seconds: .max, nanoseconds: 1))
        #expect(try set(f, file, .init(accessTime: .at(a), modificationTime: .at(b))) == nil)
        var now = try f.attributes(file)
        #expect(now.accessTime == a && now.modificationTime == b, "DONT_CHANGE and to the nanosecond")
        #expect(try set(f, file, .init(accessTime: .at(b))) == nil)
        now = try f.attributes(file)
        #expect(now.accessTime == b && now.modificationTime == b)
        #expect(try set(f, file, .init(modificationTime: .at(a))) == nil)
        now = try f.attributes(file)
        #expect(now.accessTime == b && now.modificationTime == a)
        var start = timespec()
        clock_gettime(CLOCK_REALTIME_COARSE, &start)
        #expect(try set(f, file, .init(accessTime: .now, modificationTime: .now)) == nil)
        now = try f.attributes(file)
        let begun = NFSTime(seconds: start.tv_sec, nanoseconds: start.tv_nsec)
        #expect(now.accessTime >= begun && now.modificationTime == now.accessTime && now.changeTime >= begun)
        #expect(try set(f, file, .init(accessTime: .now, modificationTime: .at(a))) == nil)
        #expect(try f.attributes(file).modificationTime == a)
    }

    @Test func timesOfEveryKindOfObject() throws {
        let f = try Fixture.inMemory()
        symlink("nowhere", f.path("link"))
        mkfifo(f.path("fifo"), 0o600)
        f.directory.make(directory: "dir")
        let time = NFSTime(seconds: 1_000_000, nanoseconds: 7)
        for name: FileName in ["link", "fifo", "dir"] {
            let handle = try f.lookup(name)
            #expect(try set(f, handle, .init(modificationTime: .at(time))) == nil)
            #expect(try f.attributes(handle).modificationTime == time, "\(name)")
        }
    }

    @Test func everyBitOfTheMode() throws {
        let f = try Fixture.inMemory()
        let (file, dir) = (try f.create("file"), try f.makeDirectory("dir"))
        for bit in 0..<12 {
            for handle in [file, dir] {
                #expect(try set(f, handle, .init(mode: 1 << bit)) == nil)
                #expect(try f.attributes(handle).mode == 1 << bit)
            }
        }
        #expect(try set(f, file, .init(mode: 0o100644)) == nil)
        #expect(try f.attributes(file).mode == 0o644 && f.attributes(file).type == .regular)
    }

    @Test func aSymbolicLinkHasNoMode() throws {
        let f = try Fixture.inMemory()
        let file = try f.create("file")
        symlink("file", f.path("link"))
        let link = try f.lookup("link")
        let time = NFSTime(seconds: 5, nanoseconds: 5)
        try f.expectConsistency(of: link) {
            let both = SetAttributes(mode: 0o600, modificationTime: .at(time))
            return try f.reply(NFS.SetAttr.self, .init(link, both)).data(failing: .notSupported)
        }
        let after = try f.attributes(link)
        #expect(after.mode == 0o777 && after.modificationTime != time, "nothing was set")
        #expect(try f.attributes(file).mode == 0o644)
    }

    /// "If guard.check is TRUE and the ctime differs": NFS3ERR_NOT_SYNC, and nothing is changed.
    @Test func theGuard() throws {
        let f = try Fixture.inMemory()
        let file = try f.create("file")
        let changed = try f.attributes(file).changeTime
        for wrong in [
            NFSTime(seconds: changed.seconds, nanoseconds: changed.nanoseconds ^ 1),
            NFSTime(seconds: changed.seconds &+ 1, nanoseconds: changed.nanoseconds),
        ] {
            try f.expectConsistency(of: file) {
                try f.reply(NFS.SetAttr.self, .init(file, .init(mode: 0o600), guardTime: wrong))
                    .data(failing: .notSynchronized)
            }
        }
        #expect(try f.attributes(file).mode == 0o644)
        #expect(try f.failure(NFS.SetAttr.self, .init(file, .init(mode: 0o600), guardTime: changed)) == nil)
        #expect(try f.attributes(file).mode == 0o600)
    }

    @Test func argumentsThatAreRefused() throws {
        let f = try Fixture.inMemory()
        symlink("nowhere", f.path("link"))
        mkfifo(f.path("fifo"), 0o600)
        f.directory.make(directory: "dir")
        let file = try f.create("file")
        for name: FileName in ["link", "fifo", "dir"] {
            #expect(try set(f, f.lookup(name), .init(size: 0)) == .invalid, "\(name) has no size to set")
        }
        for nanoseconds: UInt32 in [1_000_000_000, (1 << 30) - 1, (1 << 30) - 2, .max] {
            let time = NFSTime(seconds: 1, nanoseconds: nanoseconds)
            #expect(try set(f, file, .init(accessTime: .at(time))) == .invalid)
            #expect(try set(f, file, .init(modificationTime: .at(time))) == .invalid)
        }
        // "if the server can not store a uid or gid"
        #expect(try set(f, file, .init(uid: .max)) == .invalid)
        #expect(try set(f, file, .init(gid: .max)) == .invalid)
        #expect(try set(f, file, .init(size: 1 << 63)) == .fileTooBig)
        #expect(try set(f, file, .init(size: .max)) == .fileTooBig)
        let largest = try f.call(NFS.FSInfo.self, f.root).maximumFileSize
        #expect(try set(f, file, .init(size: largest)) == nil)
        #expect(try f.attributes(file).size == largest)
    }

    @Test(Need.callers) func strangersSetNothing() throws {
        let f = try Fixture.inMemory { $0.squash = .root }
        let file = try f.acting(as: Users.ada).create("file", mode: 0o644)
        for stranger in [f.acting(as: Users.eve), f.acting(as: Users.root), f.acting(as: .none)] {
            let time = NFSTime(seconds: 5, nanoseconds: 5)
            #expect(try set(stranger, file, .init(mode: 0o666)) == .notPermitted, "not the owner")
            #expect(try set(stranger, file, .init(uid: 1002)) == .notPermitted)
            #expect(try set(stranger, file, .init(gid: 1002)) == .notPermitted)
            #expect(try set(stranger, file, .init(modificationTime: .at(time))) == .notPermitted)
            #expect(try set(stranger, file, .init(size: 0)) == .accessDenied, "no right to write")
            // utimensat(2): now is for who may write.
            #expect(try set(stranger, file, .init(accessTime: .now, modificationTime: .now)) == .accessDenied)
        }
        #expect(try f.attributes(file).mode == 0o644)
        #expect(try set(f.acting(as: Users.ada), file, .init(mode: 0o666)) == nil)
        #expect(try set(f.acting(as: Users.eve), file, .init(size: 5)) == nil)
        #expect(try set(f.acting(as: Users.eve), file, .init(accessTime: .now, modificationTime: .now)) == nil)
    }

    /// Section 4.4: the owner may.
    @Test(Need.callers) func whatTheOwnerMay() throws {
        let f = try Fixture.inMemory { $0.squash = .root }.acting(as: Users.ada)
        let file = try f.create("file", mode: 0)
        #expect(try set(f, file, .init(size: 3)) == nil)
        #expect(try set(f, file, .init(uid: 1002)) == .notPermitted, "files are not given away")
        #expect(try set(f, file, .init(gid: 2002)) == .notPermitted, "nor to a group of others")
        #expect(try set(f, file, .init(uid: 1001, gid: 2001)) == nil, "but to one of its own")
        #expect(try f.attributes(file).gid == 2001)
    }

    @Test(Need.callers) func theSetIDBitsGoWhenTheyMust() throws {
        let f = try Fixture.inMemory().acting(as: Users.root)
        let file = try f.create("file")
        // chown(2) takes them away, so the mode is set last.
        #expect(try set(f, file, .init(mode: 0o6755, uid: 1001, gid: 1001)) == nil)
        #expect(try f.attributes(file).mode == 0o6755)
        #expect(try set(f.acting(as: Users.ada), file, .init(size: 9)) == nil)
        #expect(try f.attributes(file).mode == 0o755, "what was cut is another program")
    }
}
