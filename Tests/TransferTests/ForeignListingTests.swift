import NFS
import Synchronization
import TestSupport
import Testing

@testable import Transfer

/// Listings of servers without READDIRPLUS, and of those that lose their place (RFC 1813 sections 3.3.16, 3.3.17).
@Suite struct ForeignListingTests {
    private static let names = (0..<250).map { "file\($0)" }

    /// Lists `/data` of a server with 250 files, in the order the entries are told.
    private func list(_ behaviour: Behaviour, times: Int = 1) async throws -> (names: [String], server: ForeignServer) {
        let server = try ForeignServer(behaviour: behaviour)
        for name in Self.names { server.state.add(name, [1, 2, 3]) }
        let names = try await withMount(server) { remote, _ in
            let found = Mutex<[String]>([])
            for _ in 0..<times {
                found.withLock { $0 = [] }
                try await remote.list(try await remote.find("/data")) { name, object in
                    #expect(object.attributes.size == 3 && object.path.hasSuffix("/\(name)"))
                    found.withLock { $0.append(name.description) }
                }
            }
            return found.withLock { $0 }
        }
        return (names, server)
    }

    @Test(arguments: [NFSStatus.notSupported, .tooSmall]) func withoutReadDirPlus(status: NFSStatus) async throws {
        var behaviour = Behaviour()
        behaviour.status = { procedure, _ in procedure == .readDirPlus ? status : nil }
        let (names, server) = try await list(behaviour, times: 3)
        #expect(names == Self.names)
        // Asked once and not again.
        #expect(server.state.calls(.readDirPlus) == 1 && server.state.calls(.readDir) == 9)
        #expect(server.state.calls(.lookup) == 750)
    }

    @Test func aServerThatDoesNotKnowReadDirPlus() async throws {
        var behaviour = Behaviour()
        behaviour.unavailable = [.readDirPlus]
        let (names, server) = try await list(behaviour, times: 2)
        #expect(names == Self.names && server.state.calls(.readDirPlus) == 1)
    }

    /// READDIRPLUS fails in the middle, and READDIR has cookies of its own.
    @Test func readDirPlusThatFailsLater() async throws {
        var behaviour = Behaviour()
        behaviour.status = { procedure, count in procedure == .readDirPlus && count == 2 ? .notSupported : nil }
        let (names, server) = try await list(behaviour)
        #expect(names == Self.names)
        // The first hundred came with READDIRPLUS and are not looked up again.
        #expect(server.state.calls(.lookup) == 150)
    }

    @Test func aReadDirThatWantsMoreRoom() async throws {
        var behaviour = Behaviour()
        behaviour.unavailable = [.readDirPlus]
        behaviour.readDirNeeds = 300_000
        #expect(try await list(behaviour).names == Self.names)
        behaviour.readDirNeeds = 3_000_000
        let error = await #expect(throws: NFSError.self) { try await list(behaviour) }
        #expect(error?.status == .tooSmall)
    }

    @Test func entriesWithoutAttributesAreLookedUp() async throws {
        var behaviour = Behaviour()
        behaviour.bare = ["file3", "file99", "file249"]
        let (names, server) = try await list(behaviour)
        #expect(names == Self.names && server.state.calls(.lookup) == 3)
    }

    /// Removed after it was listed: left out.
    @Test func anEntryThatIsGone() async throws {
        var behaviour = Behaviour()
        behaviour.bare = ["file3"]
        behaviour.status = { procedure, _ in procedure == .lookup ? .noEntry : nil }
        #expect(try await list(behaviour).names == Self.names.filter { $0 != "file3" })
    }

    /// An entry that cannot be looked up ends `ls`, and is one failure of a tree.
    @Test func anEntryThatMayNotBeSeen() async throws {
        var behaviour = Behaviour()
        behaviour.bare = ["file3"]
        behaviour.status = { procedure, _ in procedure == .lookup ? .accessDenied : nil }
        let error = await #expect(throws: NFSError.self) { try await list(behaviour) }
        #expect(error?.status == .accessDenied)
        #expect(error?.subject.hasSuffix("/data/file3") == true)

        let server = try ForeignServer(behaviour: behaviour)
        for name in ["file1", "file3", "file5"] { server.state.add(name, [1]) }
        let directory = TemporaryDirectory()
        let report = try await withMount(server) { remote, _ in
            var options = CopyRules()
            options.recursive = true
            return try await Copy(remote: remote, rules: options, progress: Progress())
                .get("/data", to: directory.path + "/copy")
        }
        #expect(report.files == 2 && report.failures.count == 1)
        #expect(TemporaryDirectory.names(in: directory.path + "/copy") == ["file1", "file5"])
    }

    @Test(arguments: [2, 3]) func aCookieThatIsBadBeginsAgain(call: Int) async throws {
        var behaviour = Behaviour()
        behaviour.status = { procedure, count in procedure == .readDirPlus && count == call ? .badCookie : nil }
        let (names, server) = try await list(behaviour)
        #expect(names == Self.names && server.state.calls(.readDirPlus) == call + 3)
    }

    @Test func cookiesThatAreAlwaysBadAreGivenUp() async throws {
        var behaviour = Behaviour()
        behaviour.status = { procedure, count in procedure == .readDirPlus && count % 2 == 0 ? .badCookie : nil }
        let error = await #expect(throws: TransferError.self) { try await list(behaviour) }
        #expect(error?.description.contains("/data: changes too fast to be listed") == true)
    }

    /// Every page ends in the same cookie.
    @Test func aListingThatGoesInACircle() async throws {
        var behaviour = Behaviour()
        behaviour.cookie = { $0 % 100 == 99 ? 100 : UInt64($0 + 1000) }
        let error = await #expect(throws: TransferError.self) { try await list(behaviour) }
        #expect(error?.description.contains("/data: the server's listing does not go on") == true)
    }
}
