import NFS
import Synchronization
import TestSupport
import Testing

@testable import Transfer

/// Files to and from servers that read, write and remember otherwise than ours (RFC 1813 sections 3.3.6, 3.3.7, 3.3.21).
@Suite struct ForeignDataTests {
    private static let bytes = pattern(300_001)

    /// Fetches `/data/file`.
    private func get(
        _ behaviour: Behaviour, _ words: String = "xprtsec=none", _ bytes: [UInt8] = bytes
    ) async throws -> (report: Report, bytes: [UInt8]?, server: ForeignServer) {
        let server = try ForeignServer(behaviour: behaviour)
        server.state.add("file", bytes)
        let directory = TemporaryDirectory()
        let report = try await withMount(server, words) { remote, _ in
            try await Copy(remote: remote, rules: CopyRules(), progress: Progress())
                .get("/data/file", to: directory.path)
        }
        return (report, TestSupport.bytes(of: directory.path + "/file"), server)
    }

    /// Pushes a file to `/data/copy`.
    private func put(
        _ behaviour: Behaviour, _ words: String = "xprtsec=none,wsize=65536", _ bytes: [UInt8] = bytes
    ) async throws -> (report: Report, progress: Progress.Snapshot, server: ForeignServer) {
        let server = try ForeignServer(behaviour: behaviour)
        let directory = TemporaryDirectory()
        let path = directory.path + "/source"
        try TestSupport.write(bytes, to: path)
        let progress = Progress()
        let report = try await withMount(server, words) { remote, _ in
            try await Copy(remote: remote, rules: CopyRules(), progress: progress).put(path, to: "/data/copy")
        }
        return (report, progress.snapshot, server)
    }

    /// The one failure of a copy, which left nothing behind on the server.
    private func failure(_ report: Report) throws -> String {
        try #require(report.failures.count == 1)
        return try #require(report.failures.first.map { "\($0)" })
    }

    @Test func shortReadsGoOn() async throws {
        var behaviour = Behaviour()
        behaviour.read = { available, _ in min(available, 1001) }
        let (report, bytes, server) = try await get(behaviour)
        #expect(report.failures.isEmpty && bytes == Self.bytes)
        #expect(server.state.calls(.read) == 300)
    }

    @Test func anEmptyReadOnceIsForgiven() async throws {
        var behaviour = Behaviour()
        behaviour.read = { available, count in count == 2 ? 0 : min(available, 100_000) }
        let (report, bytes, _) = try await get(behaviour)
        #expect(report.failures.isEmpty && bytes == Self.bytes)
    }

    @Test func emptyReadsWithoutAnEndAreAnError() async throws {
        var behaviour = Behaviour()
        behaviour.read = { available, count in count == 1 ? 1000 : 0 }
        let (report, bytes, server) = try await get(behaviour)
        #expect(try failure(report).contains("/data/file: the server sends nothing at offset 1000"))
        #expect(bytes == nil && server.state.calls(.read) < 10)
    }

    @Test func moreThanWasAskedForIsAnError() async throws {
        var behaviour = Behaviour()
        behaviour.read = { available, _ in available + 8 }
        let (report, bytes, _) = try await get(behaviour, "xprtsec=none,rsize=4096")
        let words = try failure(report)
        #expect(words.contains("/data/file: the server sent 4104 bytes where 4096 were asked for"))
        #expect(bytes == nil)
    }

    @Test func shortWritesGoOn() async throws {
        var behaviour = Behaviour()
        behaviour.write = { arguments, _ in (min(10_000, Int(arguments.count)), .unstable, 1) }
        let (report, progress, server) = try await put(behaviour)
        #expect(report.failures.isEmpty)
        #expect(try server.state.bytes("copy") == Self.bytes)
        #expect(progress.doneBytes == Self.bytes.count)
    }

    @Test(arguments: [0, 70_000]) func aWriteThatIsMoreOrNothing(count: Int) async throws {
        var behaviour = Behaviour()
        behaviour.write = { _, _ in (count, .unstable, 1) }
        let (report, _, server) = try await put(behaviour)
        #expect(try failure(report).contains("/data/copy: the server says that it wrote \(count) of"))
        #expect(server.state.names.isEmpty)
    }

    /// Whose WRITEs are on the disk at once needs no COMMIT.
    @Test func fileSyncNeedsNoCommit() async throws {
        var behaviour = Behaviour()
        behaviour.write = { arguments, _ in (Int(arguments.count), .fileSync, 1) }
        let (report, _, server) = try await put(behaviour)
        #expect(report.failures.isEmpty && server.state.calls(.commit) == 0)
        #expect(try server.state.bytes("copy") == Self.bytes)
    }

    /// The server restarts after the third WRITE: what it had by then is written again, and nothing else.
    @Test func whatANewVerifierMayHaveLostIsWrittenAgain() async throws {
        var behaviour = Behaviour()
        behaviour.write = { arguments, count in (Int(arguments.count), .unstable, count <= 3 ? 1 : 2) }
        behaviour.commit = { _ in 2 }
        let (report, progress, server) = try await put(behaviour)
        #expect(report.failures.isEmpty)
        #expect(try server.state.bytes("copy") == Self.bytes)
        #expect(progress.doneBytes == Self.bytes.count)
        let writes = server.state.content.withLock { $0.writes }
        // Five at first.
        let again = writes.dropFirst(5)
        #expect(again.reduce(0) { $0 + Int($1.count) } == writes.prefix(3).reduce(0) { $0 + Int($1.count) })
        #expect(Set(again.map(\.offset)) == Set(writes.prefix(3).map(\.offset)))
        #expect(server.state.calls(.commit) == 2)
    }

    /// Between the last WRITE and COMMIT.
    @Test func aVerifierThatOnlyCommitHas() async throws {
        var behaviour = Behaviour()
        behaviour.write = { arguments, count in (Int(arguments.count), .unstable, count <= 5 ? 1 : 2) }
        behaviour.commit = { _ in 2 }
        let (report, _, server) = try await put(behaviour)
        #expect(report.failures.isEmpty && server.state.calls(.write) == 10)
    }

    @Test func aVerifierThatAlwaysChangesIsGivenUp() async throws {
        var behaviour = Behaviour()
        behaviour.commit = { UInt64($0) + 100 }
        let (report, _, server) = try await put(behaviour)
        #expect(try failure(report).contains("/data/copy: the server lost what was written"))
        #expect(server.state.calls(.commit) == 5 && server.state.names.isEmpty)
    }

    /// RFC 1813 section 3.3.8: a server may have no EXCLUSIVE.
    @Test func aServerWithoutExclusiveCreate() async throws {
        var behaviour = Behaviour()
        behaviour.status = { procedure, _ in procedure == .create ? .notSupported : nil }
        let (report, _, server) = try await put(behaviour)
        #expect(report.failures.isEmpty && server.state.calls(.create) == 2)
        #expect(try server.state.bytes("copy") == Self.bytes)
    }

    /// The call is made again with its xid, so that a server that keeps its replies knows it; this one keeps none.
    @Test func aRenameWhoseReplyIsLost() async throws {
        var behaviour = Behaviour()
        behaviour.losesReply = [.rename]
        let (report, _, server) = try await put(behaviour)
        #expect(report.failures.isEmpty, "\(report.failures)")
        #expect(try server.state.names == ["copy"] && server.state.bytes("copy") == Self.bytes)
        let transactions = server.state.content.withLock { $0.transactions }
        #expect(transactions[.rename]?.count == 2 && Set(transactions[.rename] ?? []).count == 1)
        let all = transactions.filter { $0.key != .rename }.flatMap(\.value)
        #expect(Set(all).count == all.count, "no two calls have one xid")
    }

    @Test func sizesAreWhatTheServerTakes() async throws {
        var behaviour = Behaviour()
        behaviour.sizes = (10_000, 8192, 512)
        // The wish is more than rtmax, which is no multiple of rtmult.
        let (report, _, server) = try await get(behaviour, "xprtsec=none,rsize=1048576")
        #expect(report.failures.isEmpty)
        #expect(server.state.content.withLock { $0.reads.map(\.count).max() } == 9728)
    }
}

/// FSINFO's sizes, as a server may put them.
@Suite struct TransferSizesTests {
    private func sizes(
        _ maximum: UInt32, _ preferred: UInt32, _ multiple: UInt32, wish: Int? = nil, directory: UInt32 = 0
    ) -> TransferSizes {
        var options = MountOptions()
        options.readSize = wish
        options.writeSize = wish
        return TransferSizes(
            NFS.FSInfo.Success(
                attributes: nil, readMaximum: maximum, readPreferred: preferred, readMultiple: multiple,
                writeMaximum: maximum, writePreferred: preferred, writeMultiple: multiple,
                directoryPreferred: directory, maximumFileSize: 0,
                timeDelta: NFSTime(seconds: 0 as UInt32, nanoseconds: 1),
                properties: 0), options)
    }

    @Test(
        arguments: [
            // rtmax, rtpref, rtmult: what comes of it
            (1_048_576, 1_048_576, 4096, 1_048_576),
            (1_048_576, 65536, 4096, 65536),
            (0, 0, 0, 65536),
            (0, 131_072, 0, 131_072),
            (1_048_576, 0, 4096, 65536),
            (32768, 0, 4096, 32768),
            (32768, 65536, 4096, 32768),
            (.max, .max, 1, 4 << 20),
            (1, 1, 1, 512),
            (100_000, 100_000, 4096, 98304),
            (10_000, 10_000, 3000, 9000),
            (8192, 8192, 1_000_000, 8192),
        ] as [(UInt32, UInt32, UInt32, Int)])
    func preferred(maximum: UInt32, preferred: UInt32, multiple: UInt32, size: Int) {
        let sizes = sizes(maximum, preferred, multiple)
        #expect(sizes.read == size && sizes.write == size)
    }

    @Test func aWishIsWithinTheMaximum() {
        #expect(sizes(1 << 20, 1 << 20, 4096, wish: 65536).read == 65536)
        #expect(sizes(32768, 16384, 4096, wish: 1 << 20).write == 32768)
        #expect(sizes(0, 0, 0, wish: 1 << 20).read == 1 << 20)
    }

    @Test func directories() {
        #expect(sizes(0, 0, 0, directory: 0).directory == 65536)
        #expect(sizes(0, 0, 0, directory: 131_072).directory == 131_072)
        #expect(sizes(0, 0, 0, directory: .max).directory == 1 << 20)
    }
}
