import Glibc
import NFS
import RPC
import Testing

@testable import FileServer

/// RFC 1813 section 3.3.4.
@Suite(Need.callers) struct AccessTests {
    private static let all: NFS.Access.Rights = [.read, .lookup, .modify, .extend, .delete, .execute]
    private static let writing: NFS.Access.Rights = [.modify, .extend]
    private static let changing: NFS.Access.Rights = [.modify, .extend, .delete]

    private func rights(_ f: Fixture, _ handle: FileHandle, as caller: Credential) throws -> NFS.Access.Rights {
        try f.acting(as: caller).call(NFS.Access.self, .init(handle, Self.all)).rights
    }

    private let member = Credential.system(uid: 1003, gid: 1003, groups: [5, 2001])

    @Test func ownerGroupAndOthersOfAFile() throws {
        let f = try Fixture.inMemory { $0.squash = .root }
        let file = try f.acting(as: Users.ada).create("file")
        chown(f.path("file"), 1001, 2001)
        let cases: [(mode_t, NFS.Access.Rights, NFS.Access.Rights, NFS.Access.Rights)] = [
            (0o000, [], [], []), (0o400, [.read], [], []), (0o040, [], [.read], []), (0o004, [], [], [.read]),
            (0o200, Self.writing, [], []), (0o020, [], Self.writing, []), (0o002, [], [], Self.writing),
            (0o100, [.execute], [], []), (0o010, [], [.execute], []), (0o001, [], [], [.execute]),
            (0o077, [], [.read, .modify, .extend, .execute], [.read, .modify, .extend, .execute]),
        ]
        for (mode, owner, group, others) in cases {
            chmod(f.path("file"), mode)
            #expect(try rights(f, file, as: Users.ada) == owner, "owner, \(mode)")
            #expect(try rights(f, file, as: member) == group, "group, \(mode)")
            #expect(try rights(f, file, as: Users.eve) == others, "others, \(mode)")
            #expect(try rights(f, file, as: Users.root) == others, "squashed root, \(mode)")
        }
    }

    /// An entry is added or deleted by who may both write to the directory and search it.
    @Test func ownerGroupAndOthersOfADirectory() throws {
        let f = try Fixture.inMemory { $0.squash = .root }
        let dir = try f.acting(as: Users.ada).makeDirectory("dir")
        let cases: [(mode_t, NFS.Access.Rights, NFS.Access.Rights)] = [
            (0o000, [], []), (0o404, [.read], [.read]), (0o101, [.lookup], [.lookup]), (0o202, [], []),
            (0o300, Self.changing.union(.lookup), []), (0o003, [], Self.changing.union(.lookup)),
            (0o775, Self.changing.union([.read, .lookup]), [.read, .lookup]),
        ]
        for (mode, owner, others) in cases {
            chmod(f.path("dir"), mode)
            #expect(try rights(f, dir, as: Users.ada) == owner, "owner, \(mode)")
            #expect(try rights(f, dir, as: Users.eve) == others, "others, \(mode)")
            #expect(try rights(f, dir, as: Users.root) == others, "squashed root, \(mode)")
        }
    }

    @Test func onlyWhatWasAskedIsAnswered() throws {
        let f = try Fixture.inMemory()
        let file = try f.create("file")
        for right: NFS.Access.Rights in [.read, .modify, .extend] {
            let answer = try f.call(NFS.Access.self, .init(file, right))
            #expect(try answer.rights == right && answer.attributes == f.attributes(file))
        }
        #expect(try f.call(NFS.Access.self, .init(file, [])).rights == [])
        #expect(try f.call(NFS.Access.self, .init(file, .init(rawValue: .max))).rights == [.read, .modify, .extend])
    }

    @Test func rootThatIsNotSquashed() throws {
        let f = try Fixture.inMemory()
        let file = try f.acting(as: Users.ada).create("file", mode: 0)
        #expect(try rights(f, file, as: Users.root) == [.read, .modify, .extend])
    }
}
