import CProtocol
import Glibc
import NFS
import RPC
import Testing

@testable import FileServer

/// RFC 1813 section 3.3.11.
@Suite struct MkNodTests {
    private let wanted = SetAttributes(mode: 0o640)

    private func make(_ f: Fixture, _ name: FileName, _ what: NFS.MkNod.What) throws -> FileAttributes {
        var attributes: FileAttributes?
        try f.expectConsistency(of: f.root) {
            let made = try f.call(NFS.MkNod.self, .init(f.target(name), what))
            let handle = try #require(made.object)
            #expect(try f.lookup(name) == handle && f.attributes(handle) == made.attributes)
            attributes = made.attributes
            return made.directory
        }
        return try #require(attributes)
    }

    @Test(arguments: [HandleKind.automatic, .table])
    func pipesAndSockets(kind: HandleKind) throws {
        let f = try Fixture.inMemory(kind)
        let fifo = try make(f, "fifo", .fifo(wanted))
        #expect(fifo.type == .fifo && fifo.mode == 0o640 && fifo.linkCount == 1)
        let socket = try make(f, "socket", .socket(wanted))
        #expect(socket.type == .socket && socket.mode == 0o640)
        #expect(status { _ = try f.read(f.lookup("socket")) } == .invalid)
    }

    /// specdata1 and specdata2 are the device's major and minor numbers (section 2.6).
    @Test(Need.callers) func devices() throws {
        let f = try Fixture.inMemory()
        for (index, (major, minor)) in [(1, 3), (4095, 0xf_ffff), (0, 255), (259, 256)].enumerated() {
            let character = try make(
                f, FileName("c\(index)"), .characterDevice(wanted, major: UInt32(major), minor: UInt32(minor)))
            #expect(character.type == .characterDevice && character.mode == 0o640)
            #expect(character.deviceMajor == UInt32(major) && character.deviceMinor == UInt32(minor))
            let block = try make(
                f, FileName("b\(index)"), .blockDevice(wanted, major: UInt32(major), minor: UInt32(minor)))
            #expect(block.type == .blockDevice)
            #expect(block.deviceMajor == UInt32(major) && block.deviceMinor == UInt32(minor))
        }
        // /dev/null in an export is not the server's to read.
        #expect(status { _ = try f.read(f.lookup("c0")) } == .invalid)
        #expect(status { _ = try f.write(f.lookup("c0"), "x") } == .invalid)
        // Larger numbers than the kernel has: mknod(2).
        for (major, minor): (UInt32, UInt32) in [(4096, 0), (0, 1 << 20), (.max, .max)] {
            let what = NFS.MkNod.What.characterDevice(wanted, major: major, minor: minor)
            #expect(try f.failure(NFS.MkNod.self, .init(f.target("large"), what)) == .invalid)
        }
    }

    @Test(Need.callers) func devicesAreMadeByRootAlone() throws {
        let f = try Fixture.inMemory { $0.squash = .root }
        for caller in [Users.ada, Users.root, .none] {
            let caller = f.acting(as: caller)
            for what: NFS.MkNod.What in [
                .characterDevice(wanted, major: 1, minor: 3), .blockDevice(wanted, major: 8, minor: 0),
            ] {
                #expect(try caller.failure(NFS.MkNod.self, .init(f.target("device"), what)) == .notPermitted)
            }
        }
        #expect(!f.directory.exists("device"))
        let fifo = try f.acting(as: Users.ada).call(NFS.MkNod.self, .init(f.target("fifo"), .fifo(wanted)))
        #expect(fifo.attributes?.uid == 1001)
        let dir = try f.acting(as: Users.ada).makeDirectory("dir")
        let arguments = NFS.MkNod.Arguments(f.target("fifo", in: dir), .fifo(wanted))
        #expect(try f.acting(as: Users.eve).failure(NFS.MkNod.self, arguments) == .accessDenied)
    }

    /// "If the server does not support any of the defined types": NFS3ERR_BADTYPE, and for what other procedures make.
    @Test func typesThatMkNodDoesNotMake() throws {
        let f = try Fixture.inMemory()
        for type: FileType in [.regular, .directory, .symbolicLink, .init(rawValue: 0), .init(rawValue: 8)] {
            try f.expectConsistency(of: f.root) {
                try f.reply(NFS.MkNod.self, .init(f.target("new"), .other(type))).data(failing: .badType)
            }
        }
        _ = try make(f, "fifo", .fifo(wanted))
        for what: NFS.MkNod.What in [.fifo(wanted), .socket(wanted)] {
            #expect(try f.failure(NFS.MkNod.self, .init(f.target("fifo"), what)) == .exists)
        }
        let impossible = SetAttributes(modificationTime: .at(NFSTime(seconds: 0, nanoseconds: .max)))
        #expect(try f.failure(NFS.MkNod.self, .init(f.target("new"), .fifo(impossible))) == .invalid)
        #expect(!f.directory.exists("new"), "what failed left nothing")
    }
}
