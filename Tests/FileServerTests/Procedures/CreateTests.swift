import Glibc
import NFS
import RPC
import Testing

@testable import FileServer

/// RFC 1813 section 3.3.8.
@Suite struct CreateTests {
    @Test(arguments: [HandleKind.automatic, .table])
    func theInitialAttributes(kind: HandleKind) throws {
        let f = try Fixture.inMemory(kind)
        let time = NFSTime(seconds: 7, nanoseconds: 8)
        let wanted = SetAttributes(mode: 0o4755, size: 5 << 30, accessTime: .at(time), modificationTime: .at(time))
        for (name, how) in [("u", .unchecked(wanted)), ("g", .guarded(wanted))] as [(FileName, NFS.Create.How)] {
            try f.expectConsistency(of: f.root) {
                let made = try f.call(NFS.Create.self, .init(f.target(name), how))
                #expect(try made.attributes == f.attributes(#require(made.object)))
                #expect(made.attributes?.mode == 0o4755 && made.attributes?.size == 5 << 30)
                #expect(made.attributes?.accessTime == time && made.attributes?.modificationTime == time)
                return made.directory
            }
        }
    }

    @Test func aNameThatIsTaken() throws {
        let f = try Fixture.inMemory()
        let file = try f.create("file", mode: 0o640)
        _ = try f.write(file, "content")
        let wanted = SetAttributes(mode: 0o777, modificationTime: .at(NFSTime(seconds: 1, nanoseconds: 1)))
        try f.expectConsistency(of: f.root) {
            try f.reply(NFS.Create.self, .init(f.target("file"), .guarded(wanted))).data(failing: .exists)
        }
        let before = try f.attributes(file)
        let same = try f.call(NFS.Create.self, .init(f.target("file"), .unchecked(wanted)))
        #expect(same.object == file && same.attributes == before, "it is as it was")
        let cut = try f.call(NFS.Create.self, .init(f.target("file"), .unchecked(.init(mode: 0o777, size: 3))))
        #expect(try cut.attributes?.size == 3 && cut.attributes?.mode == 0o640 && f.read(file).1 == "con")
        _ = try f.makeDirectory("dir")
        symlink("file", f.path("link"))
        mkfifo(f.path("fifo"), 0o600)
        for name: FileName in ["dir", "link", "fifo"] {
            for how: NFS.Create.How in [.unchecked(wanted), .guarded(wanted), .exclusive(1)] {
                #expect(try f.failure(NFS.Create.self, .init(f.target(name), how)) == .exists, "\(name)")
            }
        }
    }

    /// "the server reconstructs the file's verifier": all of its bits, and after a restart too.
    @Test(arguments: [HandleKind.automatic, .table])
    func theVerifierIsKeptWhole(kind: HandleKind) throws {
        let f = try Fixture.inMemory(kind)
        let verifiers: [NFS.Verifier] = [0, .max, 0x8000_0000_8000_0000, 0x0123_4567_89ab_cdef]
        for (index, verifier) in verifiers.enumerated() {
            let target = f.target(FileName("file\(index)"))
            let made = try #require(try f.call(NFS.Create.self, .init(target, .exclusive(verifier))).object)
            let next = try f.again(kind)
            for server in [f, next] {
                let target = server.target(target.name)
                for bit in 0..<64 {
                    let other = NFS.Create.How.exclusive(verifier ^ 1 << UInt64(bit))
                    #expect(try server.failure(NFS.Create.self, .init(target, other)) == .exists, "bit \(bit)")
                }
                let again = try server.call(NFS.Create.self, .init(target, .exclusive(verifier)))
                #expect(try again.object == server.lookup(target.name))
                #expect(again.attributes?.size == 0 && again.directory.after != nil)
            }
            #expect(try f.call(NFS.Create.self, .init(target, .exclusive(verifier))).object == made)
            // The client sets the attributes next; then it is a file like any other.
            _ = try f.call(NFS.SetAttr.self, .init(made, .init(mode: 0o644, modificationTime: .now)))
            #expect(try f.failure(NFS.Create.self, .init(target, .exclusive(verifier))) == .exists)
        }
    }

    @Test func aFileThatWasThereIsNotTakenForExclusive() throws {
        let f = try Fixture.inMemory()
        _ = try f.create("file")
        for verifier: NFS.Verifier in [0, 1, .max] {
            #expect(try f.failure(NFS.Create.self, .init(f.target("file"), .exclusive(verifier))) == .exists)
        }
    }

    @Test(Need.callers) func whoMayCreate() throws {
        let f = try Fixture.inMemory { $0.squash = .root }
        let dir = try f.acting(as: Users.ada).makeDirectory("dir", mode: 0o755)
        for how: NFS.Create.How in [.unchecked(.init()), .guarded(.init()), .exclusive(1)] {
            for stranger in [Users.eve, Users.root, .none] {
                let target = f.target("new", in: dir)
                let refused = try f.acting(as: stranger).reply(NFS.Create.self, .init(target, how))
                #expect(try refused.data(failing: .accessDenied).after == f.attributes(dir))
            }
        }
        let file = try f.acting(as: Users.ada).create("file", in: dir)
        #expect(try f.attributes(file).uid == 1001 && f.attributes(file).gid == 1001)
    }

    /// UNCHECKED with a size cuts a file that is there: a write, so it takes the right to write.
    @Test(Need.callers) func strangersCutNothing() throws {
        let f = try Fixture.inMemory { $0.squash = .root }
        let ada = f.acting(as: Users.ada)
        let file = try ada.create("file", mode: 0o644)
        _ = try ada.write(file, "content")
        let cut = NFS.Create.How.unchecked(.init(size: 0))
        for stranger in [Users.eve, Users.root, .none] {
            #expect(
                try f.acting(as: stranger).failure(NFS.Create.self, .init(f.target("file"), cut)) == .accessDenied)
        }
        #expect(try ada.read(file).1 == "content")
        #expect(try ada.failure(NFS.Create.self, .init(f.target("file"), cut)) == nil)
        #expect(try ada.read(file).1 == "")
    }

    @Test(Need.callers) func aFileThatCannotBeGivenAwayIsNotMade() throws {
        let f = try Fixture.inMemory { $0.squash = .root }
        let wanted = SetAttributes(mode: 0o600, uid: 1002)
        let ada = f.acting(as: Users.ada)
        #expect(try ada.failure(NFS.Create.self, .init(f.target("file"), .guarded(wanted))) == .notPermitted)
        #expect(!f.directory.exists("file"))
    }

    /// A directory with the set-group-ID bit gives its group.
    @Test(Need.callers) func theGroupOfADirectory() throws {
        let f = try Fixture.inMemory { $0.squash = .root }
        f.directory.make(directory: "shared")
        chown(f.path("shared"), 0, 2001)
        chmod(f.path("shared"), 0o2777)
        let ada = f.acting(as: Users.ada)
        let shared = try f.lookup("shared")
        #expect(try f.attributes(ada.create("file", in: shared)).gid == 2001)
        let dir = try f.attributes(ada.makeDirectory("dir", mode: 0o750, in: shared))
        #expect(dir.gid == 2001 && dir.mode == 0o2750, "and has its own directories do the same")
    }
}
