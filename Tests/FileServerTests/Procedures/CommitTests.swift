import Glibc
import NFS
import RPC
import SystemPackage
import Testing

@testable import FileServer

/// RFC 1813 section 3.3.21.
@Suite struct CommitTests {
    @Test(arguments: [HandleKind.automatic, .table])
    func everyRange(kind: HandleKind) throws {
        let f = try Fixture.inMemory(kind)
        let file = try f.create("file")
        let verifier = try f.write(file, "content").verifier
        let ranges: [(UInt64, UInt32)] = [
            (0, 0), (0, 7), (3, 2), (3, 0), (100, 100), (1 << 33, 5), (.max, 0), (.max, .max), (0, .max),
        ]
        for (offset, count) in ranges {
            try f.expectConsistency(of: file) {
                let committed = try f.call(NFS.Commit.self, .init(file, offset: offset, count: count))
                #expect(committed.verifier == verifier)
                return committed.file
            }
        }
    }

    @Test func onlyRegularFiles() throws {
        let f = try Fixture.inMemory()
        mkfifo(f.path("fifo"), 0o600)
        symlink("nowhere", f.path("link"))
        for handle in [f.root, try f.lookup("fifo"), try f.lookup("link")] {
            try f.expectConsistency(of: handle) {
                try f.reply(NFS.Commit.self, .init(handle, offset: 0, count: 0)).data(failing: .invalid)
            }
        }
    }

    /// What others wrote is put on disk too, and a file nobody opened.
    @Test(Need.callers) func filesOfOthers() throws {
        let f = try Fixture.inMemory { $0.squash = .root }
        let ada = f.acting(as: Users.ada)
        let file = try ada.create("file", mode: 0o600)
        let verifier = try ada.write(file, "x").verifier
        f.server.closeIdleFiles(after: 0)
        #expect(try ada.call(NFS.Commit.self, .init(file, offset: 0, count: 0)).verifier == verifier)
    }

    /// What a descriptor is open on for writing cannot be executed: ETXTBSY, execve(2).
    @Test func aProgramThatIsCommittedCanBeRun() throws {
        let f = try Fixture()
        try f.directory.write("program", "#!/bin/true\n", mode: 0o755)
        let program = try f.lookup("program")
        _ = try f.call(NFS.Commit.self, .init(program, offset: 0, count: 0))
        _ = try f.call(NFS.SetAttr.self, .init(program, SetAttributes(mode: 0o700)))
        var words = [strdup(f.path("program")), nil]
        defer { free(words[0]) }
        var child: pid_t = 0
        let result = posix_spawn(&child, f.path("program"), nil, nil, &words, environ)
        #expect(result == 0, "\(Errno(rawValue: result))")
        if result == 0 { #expect(waitpid(child, nil, 0) == child) }
    }

    /// The same for what was just pushed. Looked at here and not by running it: a child that another test forks may have
    /// the file open for a moment.
    @Test(arguments: [NFS.Write.Stability.unstable, .dataSync, .fileSync])
    func whatIsOnDiskIsNotKeptOpenForWriting(stability: NFS.Write.Stability) throws {
        let f = try Fixture()
        let made = try f.call(NFS.Create.self, .init(f.target("program"), .guarded(.init(mode: 0o700))))
        let program = try #require(made.object)
        #expect(f.server.cache[program]?.isOpenForWriting == true)
        _ = try f.write(program, "#!/bin/true\n", stability)
        if stability == .unstable { _ = try f.call(NFS.Commit.self, .init(program, offset: 0, count: 0)) }
        #expect(f.server.cache[program]?.isOpenForWriting != true)
        #expect(try f.read(program).1 == "#!/bin/true\n")
    }
}
