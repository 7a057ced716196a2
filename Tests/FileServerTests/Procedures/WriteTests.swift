import Glibc
import NFS
import RPC
import Testing

@testable import FileServer

/// RFC 1813 section 3.3.7.
@Suite struct WriteTests {
    @Test(arguments: [HandleKind.automatic, .table])
    func whatAWriteTells(kind: HandleKind) throws {
        let f = try Fixture.inMemory(kind)
        let file = try f.create("file")
        for (offset, text) in [(0, "first"), (2, "x"), (6 << 30, "far"), (1, "")] as [(UInt64, String)] {
            try f.expectConsistency(of: file) {
                let written = try f.write(file, text, offset: offset)
                #expect(Int(written.count) == text.utf8.count)
                return written.file
            }
        }
        #expect(try f.read(file, count: 5).1 == "fixst" && f.attributes(file).size == 6 << 30 + 3)
    }

    /// Section 2.6: what the file was before is told only where the change is this call's alone.
    @Test func writesThatOverlapDoNotTellWhatWasBefore() throws {
        let f = try Fixture.inMemory()
        let file = try f.create("file")
        func begin() throws -> @Sendable () throws -> WeakCacheData {
            let head = try NFS.Write.encode(.init(file, offset: 0, count: 4, stability: .unstable))
            guard
                case .write(_, let finish) = head.withUnsafeBytes({
                    f.nfs.begin(f.call(.write), arguments: $0, payload: 4)
                })
            else { throw NFSError(malformed: .write, "not begun") }
            return {
                guard case .results(let bytes) = finish(nil) else { throw NFSError(malformed: .write, "no results") }
                return try bytes.withUnsafeBytes { try NFS.Write.decode($0, subject: "t") }.file
            }
        }
        let (one, two) = (try begin(), try begin())
        let first = try one()
        let second = try two()
        #expect(first.before == nil && second.before == nil)
        #expect(first.after != nil && second.after != nil)
        #expect(try begin()().before != nil, "alone again")
    }

    @Test func theVerifierIsTheRunsOwn() throws {
        let f = try Fixture.inMemory()
        let (a, b) = (try f.create("a"), try f.create("b"))
        let verifier = try f.write(a, "x").verifier
        for stability: NFS.Write.Stability in [.unstable, .dataSync, .fileSync] {
            #expect(try f.write(b, "x", stability).verifier == verifier)
        }
        #expect(try f.call(NFS.Commit.self, .init(b, offset: 0, count: 0)).verifier == verifier)
        let next = try f.again()
        #expect(try next.write(next.lookup("a"), "x").verifier != verifier)
    }

    /// "committed" may be more than was asked for, never less.
    @Test(arguments: [NFS.Write.Stability.unstable, .dataSync, .fileSync])
    func stability(asked: NFS.Write.Stability) throws {
        let f = try Fixture()
        #expect(try f.write(f.create("file"), "x", asked).committed.rawValue >= asked.rawValue)
    }

    @Test func whatIsRefused() throws {
        let f = try Fixture.inMemory()
        mkfifo(f.path("fifo"), 0o600)
        symlink("file", f.path("link"))
        let file = try f.create("file")
        #expect(status { _ = try f.write(f.root, "x") } == .invalid)
        for name: FileName in ["fifo", "link"] { #expect(status { _ = try f.write(f.lookup(name), "x") } == .invalid) }
        let largest = try f.call(NFS.FSInfo.self, f.root).maximumFileSize
        #expect(status { _ = try f.write(file, "x", offset: largest) } == .fileTooBig)
        #expect(status { _ = try f.write(file, "xy", offset: .max) } == .fileTooBig)
        #expect(try f.attributes(file).size == 0)
        try f.expectConsistency(of: file) {
            try f.reply(NFS.SetAttr.self, .init(file, .init(size: .max))).data(failing: .fileTooBig)
        }
    }

    @Test(Need.callers) func whoMayWrite() throws {
        let f = try Fixture.inMemory { $0.squash = .root }
        let ada = f.acting(as: Users.ada)
        let file = try ada.create("file", mode: 0o444)
        #expect(try ada.write(file, "text").count == 4, "section 4.4: the owner")
        for stranger in [Users.eve, Users.root, .none] {
            #expect(status { _ = try f.acting(as: stranger).write(file, "x") } == .accessDenied)
            // "If count is 0, the WRITE will succeed, subject to access permissions checking."
            #expect(status { _ = try f.acting(as: stranger).write(file, "") } == .accessDenied)
        }
        #expect(try f.directory.read("file") == "text")
    }

    /// Section 3.3.7: the count and the length of the data are the same.
    @Test func aCountThatIsNotTheDatasLength() throws {
        let f = try Fixture()
        var call = try NFS.Write.encode(.init(f.create("file"), offset: 0, count: 4, stability: .unstable))
        call[call.count - 12 + 3] = 8
        guard case .garbageArguments = f.answer(.write, call + [1, 2, 3, 4, 5, 6, 7, 8]) else {
            Issue.record("taken")
            return
        }
    }
}
