import Glibc
import NFS
import RPC
import Synchronization
import Testing

@testable import FileServer

/// PUBLISH of xfer.x.
@Suite struct XferPublishTests {
    private static let temporary: FileName = ".file.t.xfer"

    /// A temporary with some content, and how to publish it.
    private func written(
        _ f: Fixture, _ text: String = "new", expected: Bool = true
    ) throws -> Xfer.Publish.Arguments {
        let file = try f.create(Self.temporary, mode: 0o600)
        let verifier = try f.write(file, text).verifier
        return Xfer.Publish.Arguments(
            f.root, file: file, temporary: Self.temporary, name: "file", attributes: SetAttributes(mode: 0o644),
            expected: expected ? verifier : nil)
    }

    @Test(arguments: [HandleKind.automatic, .table], [true, false])
    func everything(kind: HandleKind, synchronize: Bool) throws {
        let f = try Fixture.inMemory(kind)
        let old = try f.create("file")
        var arguments = try written(f)
        arguments.synchronize = synchronize
        arguments.attributes.modificationTime = .at(NFSTime(seconds: 1_000_000_000 as UInt32, nanoseconds: 1))
        try f.expectConsistency(of: f.root) {
            let published = try f.xfer(Xfer.Publish.self, arguments)
            #expect(published.verifier == arguments.expected)
            #expect(try published.attributes == f.attributes(arguments.file))
            #expect(published.attributes?.mode == 0o644)
            #expect(published.attributes?.modificationTime.nanoseconds == 1)
            return published.directory
        }
        #expect(try f.names == ["file"])
        #expect(try f.lookup("file") == arguments.file)
        #expect(try f.directory.read("file") == "new")
        #expect(try f.failure(NFS.GetAttr.self, old) == .stale)
    }

    /// With another verifier nothing is done, and the reply says which it is now.
    @Test func theServerMayHaveLostData() throws {
        let f = try Fixture.inMemory()
        var arguments = try written(f)
        f.server.writeVerifier.wrappingAdd(1, ordering: .relaxed)
        let now = f.server.writeVerifier.load(ordering: .relaxed)
        guard case .failure(.verifierChanged, let failure) = try f.reply(Xfer.Publish.self, arguments) else {
            Issue.record("published")
            return
        }
        #expect(failure.verifier == now)
        #expect(try failure.directory.after == f.attributes(f.root))
        #expect(try f.names == [".file.t.xfer"])
        #expect(try f.attributes(arguments.file).mode == 0o600)
        arguments.expected = nil
        #expect(try f.xfer(Xfer.Publish.self, arguments).verifier == now)
    }

    /// With the same transaction and with another one, by the same server and by the next.
    @Test func sentTwice() throws {
        let f = try Fixture.inMemory()
        let arguments = try written(f, expected: false)
        let first = try f.xfer(Xfer.Publish.self, arguments, transaction: 9)
        #expect(try f.xfer(Xfer.Publish.self, arguments, transaction: 9) == first)
        #expect(try f.xfer(Xfer.Publish.self, arguments).attributes == first.attributes)
        // What came under the temporary name since is another's.
        _ = try f.create(Self.temporary)
        #expect(try f.xfer(Xfer.Publish.self, arguments).attributes == first.attributes)
        #expect(try f.names == ["file", ".file.t.xfer"])
        // The final name is another file's by now: the first reply still counts for the same call.
        try f.directory.write("other", "other")
        rename(f.path("other"), f.path("file"))
        #expect(try f.xfer(Xfer.Publish.self, arguments, transaction: 9) == first)
    }

    @Test func aNameThatIsKept() throws {
        let f = try Fixture.inMemory()
        try f.directory.write("file", "old")
        var arguments = try written(f)
        arguments.existing = .keep
        #expect(status { _ = try f.xfer(Xfer.Publish.self, arguments) } == .exists)
        #expect(try f.names == ["file", ".file.t.xfer"])
        #expect(try f.directory.read("file") == "old")
        unlink(f.path("file"))
        #expect(try f.xfer(Xfer.Publish.self, arguments).attributes?.linkCount == 1)
        // Killed between its new name and the end of the old one.
        link(f.path("file"), f.path(".file.t.xfer"))
        _ = try f.xfer(Xfer.Publish.self, arguments)
        #expect(try f.names == ["file"])
    }

    @Test func whatCannotBePublished() throws {
        let f = try Fixture.inMemory()
        let good = try written(f)
        func refusal(_ change: (inout Xfer.Publish.Arguments) throws -> Void) throws -> NFSStatus? {
            var arguments = good
            try change(&arguments)
            return status { _ = try f.xfer(Xfer.Publish.self, arguments) }
        }
        mkfifo(f.path("fifo"), 0o600)
        symlink("nowhere", f.path("link"))
        mkdir(f.path("directory"), 0o755)
        #expect(try refusal { $0.name = $0.temporary } == .invalid)
        #expect(try refusal { $0.attributes.size = 0 } == .invalid)
        #expect(try refusal { $0.directory = $0.file } == .notDirectory)
        #expect(try refusal { $0.file = $0.directory } == .invalid)
        #expect(try refusal { $0.file = try f.lookup("fifo") } == .invalid)
        #expect(try refusal { $0.file = try f.lookup("link") } == .invalid)
        #expect(try refusal { $0.temporary = "nothing" } == .noEntry)
        #expect(try refusal { $0.temporary = "link" } == .noEntry)
        #expect(try refusal { $0.name = "directory" } == .exists)
        for (name, expected) in [("", .accessDenied), ("..", .invalid), ("a/b", .accessDenied)]
            as [(FileName, NFSStatus)]
        {
            #expect(try refusal { $0.name = name } == expected)
            #expect(try refusal { $0.temporary = name } == expected)
        }
        #expect(try f.directory.read(".file.t.xfer") == "new")
        #expect(try f.names == [".file.t.xfer", "fifo", "link", "directory"])
    }

    @Test func readOnly() throws {
        let f = try Fixture.inMemory()
        let arguments = try written(f)
        let closed = try f.again(readOnly: true)
        var there = arguments
        there.directory = closed.root
        there.file = try closed.lookup(Self.temporary)
        #expect(status { _ = try closed.xfer(Xfer.Publish.self, there) } == .readOnly)
    }

    @Test(Need.callers) func rights() throws {
        let f = try Fixture.inMemory { $0.squash = .root }
        let ada = f.acting(as: Users.ada)
        let arguments = try written(ada)
        // Setting the attributes takes the owner.
        #expect(status { _ = try f.acting(as: Users.eve).xfer(Xfer.Publish.self, arguments) } == .notPermitted)
        chmod(f.directory.path, 0o755)
        #expect(status { _ = try ada.xfer(Xfer.Publish.self, arguments) } == .accessDenied)
        chmod(f.directory.path, 0o777)
        #expect(try ada.xfer(Xfer.Publish.self, arguments).attributes?.uid == 1001)
    }
}
