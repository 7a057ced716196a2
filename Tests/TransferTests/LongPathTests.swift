import Glibc
import Handshake
import NFS
import RPC
import SecureChannel
import Synchronization
import TestSupport
import Testing

@testable import Transfer

/// What goes over a long path at once, and what is asked no more than once.
@Suite struct LongPathTests {
    private typealias Call = GatheringRelay.Call

    private static func nfs(_ procedure: NFS.ProcedureNumber) -> Call {
        Call(program: NFS.program, procedure: procedure.rawValue)
    }
    private static func mount(_ procedure: Mount.ProcedureNumber) -> Call {
        Call(program: Mount.program, procedure: procedure.rawValue)
    }
    private static let capabilities = Call(
        program: Xfer.program, procedure: Xfer.ProcedureNumber.capabilities.rawValue)

    /// What a copy waits for before its first LOOKUP is answered.
    private static let beginning: [Set<Call>] = [
        [mount(.export), mount(.mnt)], [nfs(.fsInfo), nfs(.lookup), capabilities],
    ]

    /// Runs `body` with an export mounted as for a copy to or from `path`.
    private func withCopy<R: Sendable>(
        _ server: ForeignServer, port: UInt16, _ path: String,
        _ body: @escaping @Sendable (Remote, Copy) async throws -> R
    ) async throws -> R {
        try await withSession(server, "xprtsec=none,timeo=50,port=\(port)") { session, _ in
            let remote = try await Remote.mount(session, path: path, ahead: [.object, .capabilities])
            return try await body(remote, Copy(remote: remote, rules: CopyRules(), progress: Progress()))
        }
    }

    /// With XFER and without it.
    @Test(arguments: [true, false]) func aFetchBeginsInTwoRoundTrips(hasXfer: Bool) async throws {
        let program = ForeignXfer.capable { _, _ in [] }
        let server = try ForeignServer(more: hasXfer ? [program] : [])
        server.state.add("file", pattern(5000))
        let relay = try GatheringRelay(to: server.port, Self.beginning + [[Self.nfs(.read)]])
        let place = TemporaryDirectory()
        let report = try await withCopy(server, port: relay.port, "/data/file") { _, copy in
            try await copy.get("/data/file", to: place.path + "/copy")
        }
        #expect(report.failures.isEmpty && bytes(of: place.path + "/copy") == pattern(5000))
        #expect(relay.missing.isEmpty, "\(relay.missing)")
        #expect(server.state.calls(.lookup) == 1)
        // What the file is after the last byte.
        #expect(server.state.calls(.getAttr) == 1)
        if hasXfer { #expect(program.transactions(.capabilities).count == 1) }
    }

    @Test(arguments: [nil, pattern(10)]) func aPushLooksOnce(there: [UInt8]?) async throws {
        let server = try ForeignServer()
        if let there { server.state.add("copy", there) }
        let relay = try GatheringRelay(to: server.port, Self.beginning + [[Self.nfs(.create)]])
        let place = TemporaryDirectory()
        try write(pattern(5000), to: place.path + "/file")
        let report = try await withCopy(server, port: relay.port, "/data/copy") { _, copy in
            try await copy.put(place.path + "/file", to: "/data/copy")
        }
        #expect(report.failures.isEmpty)
        #expect(try server.state.bytes("copy") == pattern(5000))
        #expect(relay.missing.isEmpty, "\(relay.missing)")
        #expect(server.state.calls(.lookup) == 1 && server.state.calls(.getAttr) == 0)
    }

    /// What was found when the export was mounted is good for one question.
    @Test func laterQuestionsAreAskedAnew() async throws {
        let server = try ForeignServer()
        server.state.add("file", [1])
        try await withCopy(server, port: server.port, "/data/file") { remote, _ in
            #expect(server.state.calls(.lookup) == 1)
            _ = try await remote.find("/data/file")
            #expect(server.state.calls(.lookup) == 1)
            _ = try await remote.find("/data/file")
            #expect(server.state.calls(.lookup) == 2)
        }
        try await withCopy(server, port: server.port, "/data/file") { remote, _ in
            await #expect(throws: NFSError.self) { try await remote.find("/data/else") }
            #expect(server.state.calls(.lookup) == 4)
        }
    }

    /// The list of exports decides, whatever was asked for beside it.
    @Test func aGuessThatIsNotTheExport() async throws {
        var behaviour = Behaviour()
        behaviour.exports = [Mount.ExportEntry(path: "/data"), Mount.ExportEntry(path: "/data/inner")]
        behaviour.mnt = { _ in nil }
        let server = try ForeignServer(behaviour: behaviour)
        server.state.add("file", [1])
        let export = try await withMount(server, path: "/data/inner/file") { remote, _ in
            _ = try await remote.find("/data/inner/file")
            return remote.export
        }
        #expect(export == "/data/inner")
        #expect(server.state.content.withLock { $0.mounted } == ["/data", "/data/inner"])
    }

    /// READs do not wait for a connection that is being made. That is begun by a task of the common pool, whose few threads
    /// other tests keep for minutes where they run at the same time.
    @Test(.enabled(if: getenv("TLSD_LAB") != nil, "where other tests run at the same time; runs in the kTLS lab"))
    func furtherConnectionsAreMadeMeanwhile() async throws {
        let daemons = try HandshakeDaemons()
        let server = try ForeignServer(securer: ServerSecurer(daemon: daemons.server, mutual: { true }, patience: 20))
        let content = pattern(20 << 20)
        server.state.add("file", content)
        let relay = try FirstConnectionRelay(to: server.port)
        let place = TemporaryDirectory()
        let words = "nconnect=2,tlscertname=files.example,timeo=100,port=\(relay.port)"
        try await withSession(server, words, daemon: daemons.client) { session, _ in
            let remote = try await Remote.mount(session, path: "/data")
            let copy = Copy(remote: remote, rules: CopyRules(), progress: Progress())
            let report = try await copy.get("/data/file", to: place.path)
            #expect(report.failures.isEmpty)
            #expect(relay.waitForUnanswered() && relay.givenUp == 0)
        }
        #expect(bytes(of: place.path + "/file") == content)
    }

    /// One that a few bytes need not.
    @Test func fewBytesGoOverOneConnection() async throws {
        let server = try ForeignServer()
        server.state.add("file", pattern(5 << 20))
        let relay = try CountingRelay(to: server.port)
        let place = TemporaryDirectory()
        try await withSession(server, "xprtsec=none,nconnect=4,port=\(relay.port)") { session, _ in
            let remote = try await Remote.mount(session, path: "/data")
            let copy = Copy(remote: remote, rules: CopyRules(), progress: Progress())
            #expect(try await copy.get("/data/file", to: place.path).failures.isEmpty)
        }
        #expect(relay.count.connections == 1)
    }

    @Test func nothingIsCalledOnceClosed() async throws {
        let server = try ForeignServer()
        try await withMount(server) { remote, _ in
            remote.session.close()
            let error = await #expect(throws: TransferError.self) { try await remote.find("/data") }
            #expect(error?.kind == .connection)
        }
    }
}
