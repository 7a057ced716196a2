import Glibc
import Kernel
import NFS
import RPC
import Testing

@testable import FileServer

/// As whom calls touch files: exports(5), "User ID Mapping", and RFC 1813 section 4.4.
@Suite(.enabled(if: ThreadCredentials.canChange, "needs root: threads act as other users"))
struct CallerTests {
    private let ada = Credential.system(uid: 1001, gid: 1001, groups: [2001, 2002])
    private let eve = Credential.system(uid: 1002, gid: 1002, groups: [])

    /// An export on a file system that knows owners, whose directory anybody may write to.
    private func fixture(_ change: (inout ExportOptions) -> Void = { _ in }) throws -> Fixture {
        var options = ExportOptions()
        options.readOnly = false
        options.protection = .tls
        change(&options)
        let directory = try Directory(in: Directory.memory)
        chmod(directory.path, 0o777)
        return try Fixture(options: options, directory: directory)
    }

    private func create(_ f: Fixture, _ name: FileName, mode: UInt32 = 0o600) throws -> FileHandle {
        try #require(try f.call(NFS.Create.self, .init(f.target(name), .guarded(.init(mode: mode)))).object)
    }

    @Test func aFileIsItsCreators() throws {
        var f = try fixture()
        f.credential = ada
        let attributes = try f.attributes(create(f, "file"))
        #expect(attributes.uid == 1001 && attributes.gid == 1001)
        #expect(ThreadCredentials.process.uid == geteuid())
        var probe = try fixture { $0.squash = .none }
        probe.credential = .system(uid: 0, gid: 0, groups: [])
        #expect(try probe.attributes(create(probe, "file")).uid == 0, "the thread is itself again")
    }

    @Test func rootIsNobodyUnlessTheExportSaysOtherwise() throws {
        let f = try fixture()
        let squashed = try f.attributes(create(f, "file"))
        #expect(squashed.uid == 65534 && squashed.gid == 65534)
        #expect(try f.failure(NFS.SetAttr.self, .init(f.root, SetAttributes(mode: 0o700))) == .notPermitted)
        let open = try fixture { $0.squash = .none }
        #expect(try open.failure(NFS.SetAttr.self, .init(open.root, SetAttributes(mode: 0o700))) == nil)
    }

    @Test func everybodyIsSomebodyWithAllSquash() throws {
        var f = try fixture {
            $0.squash = .all
            ($0.anonymousUID, $0.anonymousGID) = (3001, 3002)
        }
        f.credential = ada
        let attributes = try f.attributes(create(f, "file"))
        #expect(attributes.uid == 3001 && attributes.gid == 3002)
    }

    @Test func noCredentialIsTheAnonymousUser() throws {
        var f = try fixture { $0.anonymousUID = 3001 }
        f.credential = .none
        #expect(try f.attributes(create(f, "file")).uid == 3001)
    }

    @Test func aStrangerMayNotReadOrWrite() throws {
        var f = try fixture()
        f.credential = ada
        let file = try create(f, "file")
        _ = try f.write(file, "secret")
        f.credential = eve
        #expect(status { _ = try f.read(file) } == .accessDenied)
        #expect(status { _ = try f.write(file, "x") } == .accessDenied)
        #expect(try f.failure(NFS.SetAttr.self, .init(file, SetAttributes(size: 0))) == .accessDenied)
        f.credential = ada
        #expect(try f.read(file).1 == "secret")
    }

    @Test func aRightThatIsTakenAwayIsGoneAtOnce() throws {
        var f = try fixture()
        f.credential = ada
        let file = try create(f, "file", mode: 0o644)
        _ = try f.write(file, "news")
        f.credential = eve
        #expect(try f.read(file).1 == "news")
        f.credential = ada
        _ = try f.call(NFS.SetAttr.self, .init(file, SetAttributes(mode: 0o600)))
        f.credential = eve
        #expect(status { _ = try f.read(file) } == .accessDenied)
    }

    @Test func groupsCount() throws {
        var f = try fixture()
        try f.directory.write("file", "shared", mode: 0o640)
        chown("\(f.directory.path)/file", 0, 2002)
        f.credential = eve
        let file = try f.lookup("file")
        #expect(status { _ = try f.read(file) } == .accessDenied)
        f.credential = ada
        #expect(try f.read(file).1 == "shared")
    }

    /// RFC 1813 section 4.4
    @Test func theOwnerMayWriteWhatItCreatedReadOnly() throws {
        var f = try fixture()
        f.credential = ada
        let file = try create(f, "file", mode: 0o400)
        #expect(try f.write(file, "text").count == 4)
        f.server.cache.drop(unusedSince: .max)
        #expect(try f.write(file, "more", offset: 4).count == 4)
        #expect(try f.read(file).1 == "textmore")
    }

    /// The same section: a program that may be executed may be read.
    @Test func whatMayBeExecutedMayBeRead() throws {
        var f = try fixture()
        try f.directory.write("program", "code", mode: 0o711)
        chmod("\(f.directory.path)/program", 0o711)
        f.credential = eve
        #expect(try f.read(f.lookup("program")).1 == "code")
    }

    @Test func writingTakesTheSetUserIDBitAway() throws {
        var f = try fixture()
        try f.directory.write("program", "code")
        chmod("\(f.directory.path)/program", 0o6777)
        f.credential = eve
        let file = try f.lookup("program")
        _ = try f.write(file, "other")
        #expect(try f.attributes(file).mode & 0o6000 == 0)
    }

    @Test func aDirectoryThatMayNotBeSearchedHidesWhatIsInIt() throws {
        var f = try fixture()
        f.directory.make(directory: "closed")
        try f.directory.write("closed/file", "secret")
        chmod("\(f.directory.path)/closed", 0o700)
        f.credential = eve
        let closed = try f.lookup("closed")
        #expect(try f.failure(NFS.Lookup.self, f.target("file", in: closed)) == .accessDenied)
        #expect(status { _ = try f.list(closed) } == .accessDenied)
        #expect(try f.call(NFS.Access.self, .init(closed, [.read, .lookup, .modify])).rights == [])
    }
}
