import Glibc
import NFS
import Testing

@testable import FileServer

@Suite struct ListingTests {
    private func filled(_ kind: HandleKind, _ count: Int) throws -> (Fixture, Set<FileName>) {
        let f = try Fixture(kind)
        var names: Set<FileName> = [".", ".."]
        for i in 0..<count {
            try f.directory.write("file-number-\(i)", String(repeating: "x", count: i))
            names.insert(FileName("file-number-\(i)"))
        }
        return (f, names)
    }

    @Test(arguments: [HandleKind.automatic, .table])
    func everyEntryComesOnce(kind: HandleKind) throws {
        let (f, names) = try filled(kind, 300)
        for count: UInt32 in [512, 4096, 1 << 20] {
            var (cookie, verifier): (UInt64, NFS.Verifier) = (0, 0)
            var seen: [FileName] = []
            while true {
                let listing = try f.list(cookie: cookie, verifier: verifier, count: count)
                seen += listing.entries.map(\.name)
                if listing.endOfDirectory { break }
                cookie = try #require(listing.entries.last).cookie
                verifier = listing.verifier
            }
            #expect(seen.count == names.count && Set(seen) == names)
        }
    }

    @Test(arguments: [HandleKind.automatic, .table])
    func plusHasHandlesAndAttributes(kind: HandleKind) throws {
        let (f, names) = try filled(kind, 50)
        let listing = try f.listPlus().listing
        #expect(Set(listing.entries.map(\.name)) == names && listing.endOfDirectory)
        for entry in listing.entries where entry.name != "." && entry.name != ".." {
            let handle = try #require(entry.handle)
            #expect(try handle == f.lookup(entry.name))
            #expect(try entry.attributes == f.attributes(handle))
            #expect(entry.attributes?.fileID == entry.fileID)
        }
    }

    @Test func theLimitsAreKept() throws {
        let (f, names) = try filled(.automatic, 100)
        for count: UInt32 in [600, 1000, 5000] {
            let (listing, bytes) = try f.listPlus(count: count)
            #expect(bytes <= Int(count) && !listing.endOfDirectory && !listing.entries.isEmpty)
            // One more would not have fit.
            #expect(bytes + 300 > Int(count))
        }
        let few = try f.listPlus(names: 200).listing
        #expect(few.entries.reduce(0) { $0 + $1.encodedLength } <= 200 && few.entries.count > 1)
        #expect(status { _ = try f.listPlus(count: 100) } == .tooSmall)
        #expect(status { _ = try f.listPlus(names: 8) } == .tooSmall)
        #expect(status { _ = try f.list(count: 0) } == .tooSmall)
        let exact = try f.listPlus()
        #expect(try f.listPlus(count: UInt32(exact.bytes)).listing.entries.count == names.count)
        #expect(try f.listPlus(count: UInt32(exact.bytes - 1)).listing.entries.count == names.count - 1)
        #expect(try f.list(count: .max).entries.count == names.count)
    }

    @Test func cookiesOfAnotherDirectoryAreRefused() throws {
        let (f, _) = try filled(.automatic, 10)
        let listing = try f.list(count: 300)
        let cookie = try #require(listing.entries.last).cookie
        #expect(status { _ = try f.list(cookie: cookie, verifier: listing.verifier &+ 1) } == .badCookie)
        #expect(status { _ = try f.list(f.lookup("file-number-1")) } == .notDirectory)
    }

    @Test func whatIsAboveTheRootIsNotShown() throws {
        let (f, _) = try filled(.automatic, 1)
        let root = try f.attributes(f.root).fileID
        let dots = try f.listPlus().listing.entries.filter { $0.name == ".." || $0.name == "." }
        #expect(dots.map(\.fileID) == [root, root])
    }
}
