import Glibc
import Kernel
import NFS
import Synchronization
import TestSupport
import Testing

@testable import FileServer

/// Directories that change while they are listed: what stays comes once, whatever comes and goes (RFC 1813 sections
/// 3.3.16 and 3.3.17).
@Suite(.enabled(if: TestedLayers.lab == nil, "nothing in it depends on who makes the records; not in the kTLS lab"))
struct ListingChangeTests {
    /// Files enough for the count that is asked of a server, made once for each file system.
    private final class Crowd: Sendable {
        let directory: Directory
        let names: Set<FileName>

        init(in parent: String, _ count: Int) throws {
            let directory = try Directory(in: parent)
            self.directory = directory
            names = Set((0..<count).map { FileName("stays-\($0)") })
            for index in 0..<count { _ = try Files.open("\(directory.path)/stays-\(index)", O_WRONLY | O_CREAT) }
        }
    }

    /// Adds and removes names until it is told to stop.
    private final class Churn: Sendable {
        private let stopping = Atomic(false)
        let rounds = Atomic(0)
        private let path: String

        init(_ path: String) { self.path = path }

        func run() {
            var index = 0
            while !stopping.load(ordering: .relaxed) {
                let name = "\(path)/goes-\(index)"
                let descriptor = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
                if descriptor >= 0 { close(descriptor) }
                // Some stay for a while, so that the directory grows and shrinks on all sides of a listing.
                if index >= 50 { unlink("\(path)/goes-\(index - 50)") }
                index += 1
                rounds.store(index, ordering: .relaxed)
            }
            for left in max(0, index - 50)..<index { unlink("\(path)/goes-\(left)") }
        }

        func stop() { stopping.store(true, ordering: .relaxed) }
    }

    private func expectEachOnce(_ entries: [DirectoryEntry], of names: Set<FileName>) {
        let stayed = entries.map(\.name).filter { names.contains($0) }
        #expect(stayed.count == names.count, "none lost, none repeated")
        #expect(Set(stayed) == names)
        for dots: FileName in [".", ".."] { #expect(entries.count { $0.name == dots } == 1) }
    }

    @Test(arguments: ["/tmp", Directory.memory])
    func aHundredThousandWhileOthersComeAndGo(parent: String) throws {
        // A lab has one slow processor.
        let crowd = try Crowd(in: parent, getenv("TLSD_LAB") == nil ? 100_000 : 10_000)
        for (cookies, plus, count) in [
            (ListingCookies.automatic, false, 4096), (.names(), false, 1 << 16), (.automatic, true, 1 << 16),
        ] where !plus || parent == "/tmp" {
            let f = try Fixture(directory: crowd.directory, cookies: cookies)
            let churn = Churn(crowd.directory.path)
            let thread = try Thread("churn") { churn.run() }
            let entries = Result { try f.listAll(plus: plus, count: UInt32(count)) }
            churn.stop()
            thread.join()
            #expect(churn.rounds.load(ordering: .relaxed) > 100, "nothing changed meanwhile")
            expectEachOnce(try entries.get(), of: crowd.names)
        }
    }

    @Test(arguments: [ListingCookies.automatic, .names()], ["/tmp", Directory.memory])
    func smallPagesOfSeveralClientsAtOnce(cookies: ListingCookies, parent: String) throws {
        let crowd = try Crowd(in: parent, 2000)
        let f = try Fixture(directory: crowd.directory, cookies: cookies)
        let churn = Churn(crowd.directory.path)
        let failures = Mutex<[String]>([])
        let listers = try (0..<4).map { number in
            try Thread("lister") {
                do {
                    let entries = try f.listAll(plus: number % 2 == 0, count: number < 2 ? 700 : 3000)
                    let stayed = entries.map(\.name).filter { crowd.names.contains($0) }
                    if stayed.count != crowd.names.count || Set(stayed) != crowd.names {
                        failures.withLock { $0.append("\(stayed.count) names, \(Set(stayed).count) different") }
                    }
                } catch {
                    failures.withLock { $0.append("\(error)") }
                }
            }
        }
        let thread = try Thread("churn") { churn.run() }
        for lister in listers { lister.join() }
        churn.stop()
        thread.join()
        #expect(failures.withLock { $0 } == [])
    }

    @Test(arguments: [ListingCookies.automatic, .names()], ["/tmp", Directory.memory])
    func aListingGoesOnAfterARestart(cookies: ListingCookies, parent: String) throws {
        let (state, crowd) = (try Directory(), try Crowd(in: parent, 500))
        for index in 0..<200 { try crowd.directory.write("goes-\(index)", "") }
        let first = try Fixture(directory: crowd.directory, state: state.path, cookies: cookies)
        var page = try first.list(count: 4096)
        var entries = page.entries
        var restarts = 0
        while !page.endOfDirectory {
            for index in 0..<20 {
                unlink("\(crowd.directory.path)/goes-\(restarts * 20 + index)")
                try crowd.directory.write("comes-\(restarts * 20 + index)", "")
            }
            restarts += 1
            let next = try Fixture(directory: crowd.directory, state: state.path, cookies: cookies)
            #expect(next.root == first.root)
            page = try next.list(
                cookie: try #require(entries.last).cookie, verifier: page.verifier, count: 4096)
            entries += page.entries
        }
        #expect(restarts > 3)
        expectEachOnce(entries, of: crowd.names)
    }

    @Test func whatIsRemovedWhileItIsListedIsSkipped() throws {
        let crowd = try Crowd(in: "/tmp", 200)
        let f = try Fixture(directory: crowd.directory, cookies: .names())
        let page = try f.listPlus(count: 4096).listing
        var seen = Set(page.entries.map(\.name))
        let gone = try #require(crowd.names.first { !seen.contains($0) })
        unlink("\(crowd.directory.path)/\(gone)")
        let rest = try f.listPlus(
            cookie: try #require(page.entries.last).cookie, verifier: page.verifier, count: 1 << 20
        ).listing
        seen.formUnion(rest.entries.map(\.name))
        #expect(rest.endOfDirectory && seen == crowd.names.subtracting([gone]).union([".", ".."]))
    }

    @Test func aListingThatBeginsSeesWhatIsThere() throws {
        let crowd = try Crowd(in: "/tmp", 300)
        let f = try Fixture(directory: crowd.directory, cookies: .names())
        for round in 0..<20 {
            _ = try f.list(count: 2048)
            // Within one tick of the file system's clock: its times do not show it.
            try crowd.directory.write("new-\(round)", "")
            #expect(try f.listAll(count: 2048).contains { $0.name == FileName("new-\(round)") })
        }
    }

    @Test func namesOfOneCookieComeTogether() throws {
        let crowd = try Crowd(in: "/tmp", 200)
        // 32 cookies for 200 names: the key is another each time, and no cookie has more names than a page has room for
        let f = try Fixture(directory: crowd.directory, cookies: .names(bits: 5))
        for plus in [false, true] {
            let pages = try f.pages(plus: plus, count: plus ? 8192 : 1024)
            #expect(pages.count > 3)
            for (page, next) in zip(pages, pages.dropFirst()) { #expect(page.last?.cookie != next.first?.cookie) }
            expectEachOnce(pages.flatMap { $0 }, of: crowd.names)
            #expect(status { _ = try f.pages(plus: plus, count: 400) } == .tooSmall)
        }
    }

    @Test func aListingOfManyPagesReadsTheDirectoryOnce() throws {
        let crowd = try Crowd(in: "/tmp", 1000)
        let f = try Fixture(directory: crowd.directory, cookies: .names())
        let snapshots = f.server.listings.snapshots
        #expect(try f.pages(count: 512).count > 50)
        #expect(snapshots.readings == 1)
        #expect(snapshots.size > 1000 * 24)
        _ = try f.pages(count: 512)
        #expect(snapshots.readings == 2)
    }

    @Test func whoMayNotReadADirectoryGetsNoSnapshotOfIt() throws {
        try #require(geteuid() == 0, "only root may give up the right to read everything")
        let crowd = try Crowd(in: "/tmp", 500)
        let f = try Fixture(directory: crowd.directory, cookies: .names())
        let page = try f.list(count: 4096)
        #expect(f.server.listings.snapshots.size > 0)
        let cookie = try #require(page.entries.last).cookie
        chmod(crowd.directory.path, 0o300)
        defer { chmod(crowd.directory.path, 0o700) }
        let refused = try withoutCapabilities([1, 2]) {
            status { _ = try f.list(cookie: cookie, verifier: page.verifier) }
        }
        #expect(refused == .accessDenied)
    }

    @Test func cookiesThatNeverWereAreRefused() throws {
        let (state, crowd) = (try Directory(), try Crowd(in: "/tmp", 100))
        let names = try Fixture(directory: crowd.directory, state: state.path, cookies: .names())
        let page = try names.list(count: 512)
        let cookie = try #require(page.entries.last).cookie
        #expect(cookie > 2 && cookie < 1 << 63)
        for wrong: UInt64 in [.max, 1 << 63, (1 << 62) + 3] {
            #expect(status { _ = try names.list(cookie: wrong, verifier: page.verifier) } == .badCookie)
        }
        #expect(status { _ = try names.list(cookie: cookie, verifier: page.verifier ^ 1) } == .badCookie)
        let positions = try Fixture(directory: crowd.directory, state: state.path, cookies: .positions)
        #expect(status { _ = try positions.list(cookie: cookie, verifier: page.verifier) } == .badCookie)
        let mine = try positions.list(count: 512).verifier
        #expect(status { _ = try positions.list(cookie: .max, verifier: mine) } == .badCookie)
        #expect(status { _ = try names.list(cookie: cookie, verifier: mine) } == .badCookie)
        // What is past the end is no error: the names after it are gone.
        let end = try names.list(cookie: (1 << 62) + 2, verifier: page.verifier)
        #expect(end.entries.isEmpty && end.endOfDirectory)
    }

    @Test func theSmallestPages() throws {
        let crowd = try Crowd(in: "/tmp", 20)
        for cookies in [ListingCookies.automatic, .names()] {
            let f = try Fixture(directory: crowd.directory, cookies: cookies)
            // Room for one entry
            let room = DirectoryListing.overhead(attributes: try f.attributes(f.root))
            expectEachOnce(try f.listAll(count: UInt32(room + 36)), of: crowd.names)
            #expect(status { _ = try f.list(count: UInt32(room)) } == .tooSmall)
            #expect(status { _ = try f.list(count: UInt32(room + 27)) } == .tooSmall)
            let end = try #require(f.list().entries.last)
            let verifier = try f.list().verifier
            let nothing = try f.list(cookie: end.cookie, verifier: verifier, count: UInt32(room))
            #expect(nothing.entries.isEmpty && nothing.endOfDirectory)
            #expect(
                status { _ = try f.list(cookie: end.cookie, verifier: verifier, count: UInt32(room - 1)) } == .tooSmall)
        }
    }
}

extension Fixture {
    /// A listing from its beginning to its end, page by page.
    func pages(_ handle: FileHandle? = nil, plus: Bool = false, count: UInt32) throws -> [[DirectoryEntry]] {
        var pages: [[DirectoryEntry]] = []
        var (cookie, verifier): (UInt64, NFS.Verifier) = (0, 0)
        while true {
            let page =
                plus
                ? try listPlus(handle, cookie: cookie, verifier: verifier, names: count, count: count).listing
                : try list(handle, cookie: cookie, verifier: verifier, count: count)
            pages.append(page.entries)
            if page.endOfDirectory { return pages }
            cookie = try #require(page.entries.last, "a page without entries that is not the last").cookie
            verifier = page.verifier
        }
    }

    func listAll(_ handle: FileHandle? = nil, plus: Bool = false, count: UInt32) throws -> [DirectoryEntry] {
        try pages(handle, plus: plus, count: count).flatMap { $0 }
    }
}
