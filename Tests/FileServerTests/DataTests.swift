import Glibc
import Kernel
import NFS
import RPC
import SystemPackage
import Testing

@testable import FileServer

@Suite struct DataTests {
    @Test(arguments: [HandleKind.automatic, .table])
    func readGivesRangesOfTheFile(kind: HandleKind) throws {
        let f = try Fixture(kind)
        try f.directory.write("file", "hello world")
        let file = try f.lookup("file")
        let (all, text) = try f.read(file)
        #expect(text == "hello world" && all.count == 11 && all.endOfFile && all.attributes?.size == 11)
        let (part, word) = try f.read(file, offset: 6, count: 3)
        #expect(word == "wor" && part.count == 3 && !part.endOfFile)
        let (end, last) = try f.read(file, offset: 8, count: 3)
        #expect(last == "rld" && end.endOfFile)
        let (past, none) = try f.read(file, offset: 1 << 62)
        #expect(none.isEmpty && past.count == 0 && past.endOfFile)
        let (nothing, _) = try f.read(file, offset: .max, count: 0)
        #expect(nothing.count == 0 && nothing.endOfFile)
    }

    @Test func readIsClampedToRtmax() throws {
        let f = try Fixture()
        let made = try f.call(NFS.Create.self, .init(f.target("big"), .guarded(SetAttributes(size: 5 << 20))))
        let (header, _) = try f.read(#require(made.object), count: .max)
        #expect(header.count == 4 << 20 && !header.endOfFile)
    }

    @Test func readAndWriteTakeRegularFilesAlone() throws {
        let f = try Fixture()
        mkfifo("\(f.directory.path)/fifo", 0o600)
        let fifo = try f.lookup("fifo")
        #expect(status { _ = try f.read(f.root) } == .invalid)
        #expect(status { _ = try f.write(f.root, "x") } == .invalid)
        #expect(status { _ = try f.read(fifo) } == .invalid)
        #expect(status { _ = try f.write(fifo, "x") } == .invalid)
    }

    @Test(arguments: [HandleKind.automatic, .table], [NFS.Write.Stability.unstable, .dataSync, .fileSync])
    func writeGoesByItsPayload(kind: HandleKind, stability: NFS.Write.Stability) throws {
        let f = try Fixture(kind)
        try f.directory.write("file", "hello world")
        let file = try f.lookup("file")
        let written = try f.write(file, "WORLDS", offset: 6, stability)
        #expect(written.count == 6 && written.committed == stability)
        #expect(written.file.before?.size == 11 && written.file.after?.size == 12)
        #expect(try f.directory.read("file") == "hello WORLDS")
        let committed = try f.call(NFS.Commit.self, .init(file, offset: 0, count: 0))
        #expect(committed.verifier == written.verifier)
        let again = try Fixture(kind, directory: f.directory)
        let other = try again.call(NFS.Commit.self, .init(again.lookup("file"), offset: 0, count: 0))
        #expect(other.verifier != written.verifier, "another start, another verifier")
    }

    @Test func writeInMemory() throws {
        let f = try Fixture()
        try f.directory.write("file", "")
        let head = try NFS.Write.encode(.init(f.lookup("file"), offset: 0, count: 5, stability: .unstable))
        let call = head + Array("hello".utf8) + [0, 0, 0]
        let bytes = try f.nfs.results(.write, call)
        #expect(try bytes.withUnsafeBytes { try NFS.Write.decode($0, subject: "t") }.count == 5)
        #expect(try f.directory.read("file") == "hello")
        for length in 0..<call.count {
            guard case .garbageArguments = f.nfs.call(.write, Array(call.prefix(length))) else {
                Issue.record("cut at \(length)")
                return
            }
        }
    }

    @Test func whatTheFileSystemRefusesIsTold() throws {
        let f = try Fixture()
        try f.directory.write("file", "x")
        let file = try f.lookup("file")
        #expect(status { _ = try f.write(file, "x", failing: SystemError("splice", .noSpace)) } == .noSpace)
        #expect(status { _ = try f.write(file, "x", failing: SystemError("splice", .diskQuotaExceeded)) } == .quota)
        #expect(status { _ = try f.write(file, "x", offset: UInt64(Int64.max)) } == .fileTooBig)
        #expect(status { _ = try f.write(file, "x", offset: .max) } == .fileTooBig)
    }

    @Test func dataThatCouldNotBeMadeStableChangesTheVerifier() throws {
        let f = try Fixture()
        try f.directory.write("file", "x")
        let file = try f.lookup("file")
        let before = try f.write(file, "y").verifier
        // A pipe has no disk: EINVAL.
        var ends: [Int32] = [-1, -1]
        try #require(pipe(&ends) == 0)
        close(ends[1])
        let pipe = SharedDescriptor(Descriptor(takingOwnershipOf: ends[0]))
        #expect(throws: NFSStatus.invalid) { try f.server.makeStable(pipe, all: false) }
        #expect(try f.call(NFS.Commit.self, .init(file, offset: 0, count: 0)).verifier != before)
    }

    @Test func filesStayOpen() throws {
        let f = try Fixture()
        try f.directory.write("file", "x")
        let file = try f.lookup("file")
        #expect(try f.server.file(file).reader() === f.server.file(file).reader())
        #expect(try f.server.file(file).writer() === f.server.file(file).writer())
    }

    @Test func theCacheIsBounded() throws {
        let f = try Fixture(openFiles: 16)
        for i in 0..<100 {
            try f.directory.write("file\(i)", "\(i)")
            _ = try f.lookup(FileName("file\(i)"))
        }
        #expect(f.server.cache.count <= 16)
        let first = try f.lookup("file0")
        #expect(try f.read(first).1 == "0")
        f.server.closeIdleFiles(after: 3600)
        #expect(f.server.cache.count > 0)
        f.server.closeIdleFiles(after: 0)
        #expect(f.server.cache.count == 0)
        #expect(try f.read(first).1 == "0", "opened again by its handle")
    }
}
