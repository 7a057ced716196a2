import Checksums
import Glibc
import Kernel
import NFS
import RPC
import TestSupport
import Testing

@testable import Transfer

/// The client's half of XFER: with servers that have none, and with ones that lie.
@Suite struct XferTests {
    private static let attributes = FileAttributes(
        type: .regular, mode: 0o644, linkCount: 1, uid: 0, gid: 0, size: 8, used: 8, fileSystem: 9, fileID: 2,
        accessTime: time(1), modificationTime: time(1), changeTime: time(1))

    private static func time(_ seconds: UInt32) -> NFSTime { NFSTime(seconds: seconds, nanoseconds: 0) }

    /// Of CAPABILITIES.
    private static func failure(_ status: NFSStatus) -> [UInt8] {
        (try? Xfer.Capabilities.encode(.failure(status, Nothing()))) ?? []
    }

    private func server(_ program: ForeignXfer?) throws -> ForeignServer {
        let server = try ForeignServer(more: program.map { [$0] } ?? [])
        server.state.add("file", Array("01234567".utf8))
        return server
    }

    private func expectNone(_ remote: Remote, sourceLocation: SourceLocation = #_sourceLocation) async throws {
        let support = try await remote.xfer()
        #expect(support == nil, sourceLocation: sourceLocation)
    }

    private func file(_ remote: Remote) async throws -> Remote.Object { try await remote.find("/data/file") }

    @Test func aServerWithoutIt() async throws {
        try await withMount(try server(nil)) { remote, notes in
            try await expectNone(remote)
            let file = try await file(remote)
            #expect(try await remote.checksums(of: file, 0..<8, blockSize: 4, .xxh3) == nil)
            #expect(try await remote.segments(of: file) == nil)
            #expect(notes.list == [])
        }
    }

    /// Another version, no such procedure, another program's results, and a server that says it cannot.
    @Test(arguments: [
        ForeignXfer(version: 2) { _, _ in .results([]) }, ForeignXfer { _, _ in .procedureUnavailable },
        ForeignXfer { _, _ in .garbageArguments }, ForeignXfer { _, _ in .results([0, 0, 0, 0, 1]) },
        ForeignXfer { _, _ in .results(failure(.notSupported)) },
    ])
    func aServerThatCannot(program: ForeignXfer) async throws {
        try await withMount(try server(program)) { remote, _ in
            try await expectNone(remote)
            try await expectNone(remote)
        }
        #expect(program.transactions(.capabilities).count <= 1)
    }

    @Test func noxfer() async throws {
        let program = ForeignXfer.capable { _, _ in [] }
        try await withMount(try server(program), "xprtsec=none,noxfer") { remote, _ in
            try await expectNone(remote)
        }
        #expect(program.transactions(.capabilities).isEmpty)
    }

    @Test func manyAskAtOnce() async throws {
        let program = ForeignXfer.capable { _, _ in [] }
        try await withMount(try server(program)) { remote, _ in
            try await withThrowingTaskGroup(of: XferCapabilities?.self) { group in
                for _ in 0..<20 { group.addTask { try await remote.xfer() } }
                for try await one in group { #expect(one?.putMaximum == 1 << 20) }
            }
        }
        #expect(program.transactions(.capabilities).count == 1)
    }

    /// Only what the server does not have is none: a failure is told, and asked again.
    @Test func anotherFailure() async throws {
        let program = ForeignXfer { _, count in
            count == 1
                ? .results(Self.failure(.stale)) : .results(Self.failure(.notSupported))
        }
        try await withMount(try server(program)) { remote, _ in
            let error = await #expect(throws: NFSError.self) { try await remote.xfer() }
            #expect(error?.status == .stale)
            try await expectNone(remote)
        }
    }

    private static func checksum(
        _ count: UInt64, digests: Int, eof: Bool, changed: UInt32 = 1, before: UInt32 = 1
    ) throws -> [UInt8] {
        var (now, then) = (attributes, attributes)
        now.changeTime = time(changed)
        then.changeTime = time(before)
        return try Xfer.Checksum.encodeSuccess(
            .init(
                file: WeakCacheData(before: .init(then), after: now), count: count, endOfFile: eof,
                digests: [UInt8](repeating: UInt8(truncatingIfNeeded: count), count: 16 * digests)))
    }

    @Test func checksumsInSeveralCalls() async throws {
        let program = ForeignXfer.capable { _, count in
            try Self.checksum(count < 3 ? 3 : 2, digests: 1, eof: count == 3)
        }
        try await withMount(try server(program)) { remote, _ in
            let made = try #require(
                try await remote.checksums(of: try await file(remote), 0..<100, blockSize: 3, .xxh3))
            #expect(made.count == 8 && made.isEndOfFile && made.blocks.count == 3)
            #expect(made.attributes == Self.attributes)
            #expect(made.blocks.first == Checksum(bytes: [UInt8](repeating: 3, count: 16)))
        }
    }

    @Test func algorithmsAndBlocksThatItHasNot() async throws {
        let program = ForeignXfer.capable(algorithms: 2) { _, _ in [] }
        try await withMount(try server(program)) { remote, _ in
            let file = try await file(remote)
            #expect(try await remote.checksums(of: file, 0..<8, blockSize: 4, .xxh3) == nil)
            #expect(try await remote.checksums(of: file, 0..<8, blockSize: 257 << 20, .sha256) == nil)
            #expect(try await remote.checksums(of: file, 0..<8, blockSize: 0, .sha256) == nil)
        }
        #expect(program.transactions(.checksum).isEmpty)
    }

    @Test(arguments: [
        // Changed while it was read once, and between two calls.
        [try checksum(4, digests: 1, eof: true, changed: 2)],
        [try checksum(4, digests: 1, eof: false), try checksum(4, digests: 1, eof: true, changed: 2, before: 2)],
    ])
    func aFileThatChanges(replies: [[UInt8]]) async throws {
        let program = ForeignXfer.capable { _, count in replies[min(count, replies.count) - 1] }
        try await withMount(try server(program)) { remote, _ in
            let file = try await file(remote)
            let error = await #expect(throws: TransferError.self) {
                try await remote.checksums(of: file, 0..<8, blockSize: 4, .xxh3)
            }
            #expect(error?.kind == .sourceChanged)
        }
    }

    @Test(arguments: [
        // More bytes than were asked for; digests too many, too few, none; no progress; in the middle of a block.
        try checksum(9, digests: 3, eof: true), try checksum(8, digests: 3, eof: true),
        try checksum(8, digests: 1, eof: true), try checksum(8, digests: 0, eof: true),
        try checksum(0, digests: 0, eof: false), try checksum(5, digests: 2, eof: false),
        try checksum(.max, digests: 1, eof: true),
    ])
    func checksumsThatAreNone(reply: [UInt8]) async throws {
        let program = ForeignXfer.capable { _, _ in reply }
        try await withMount(try server(program)) { remote, _ in
            let file = try await file(remote)
            let error = await #expect(throws: NFSError.self) {
                try await remote.checksums(of: file, 0..<8, blockSize: 4, .xxh3)
            }
            #expect(error?.status == nil)
        }
    }

    private static func segments(_ segments: [(UInt64, UInt64)], eof: Bool) throws -> [UInt8] {
        try Xfer.Segments.encode(
            .success(
                .init(
                    attributes: nil, endOfFile: eof, segments: segments.map { .init(offset: $0.0, count: $0.1) })))
    }

    @Test func segmentsInSeveralCalls() async throws {
        let program = ForeignXfer.capable { _, count in
            try Self.segments([(UInt64(count) * 10, 5), (UInt64(count) * 10 + 6, 1)], eof: count == 3)
        }
        try await withMount(try server(program)) { remote, _ in
            let file = try await file(remote)
            let all = try #require(try await remote.segments(of: file))
            #expect(all.segments == [10..<15, 16..<17, 20..<25, 26..<27, 30..<35, 36..<37] && all.next == nil)
        }
        try await withMount(try server(ForeignXfer.capable { _, _ in try Self.segments([(0, 5)], eof: false) })) {
            remote, _ in
            let file = try await file(remote)
            let first = try #require(try await remote.segments(of: file, most: 1))
            #expect(first.segments == [0..<5] && first.next == 5)
        }
    }

    /// A file that grew, or a server that lies: who goes on from there to the file's end must find it.
    @Test func segmentsBehindTheEndLeadNoFurtherThanTheEnd() async throws {
        try await withMount(try server(ForeignXfer.capable { _, _ in try Self.segments([(0, 50)], eof: false) })) {
            remote, _ in
            let file = try await file(remote)
            let first = try #require(try await remote.segments(of: file, most: 1))
            #expect(first.next == 8)
        }
    }

    @Test(arguments: [
        // Backwards, empty, beyond all offsets, and nothing at all though there is more.
        try segments([(10, 5), (12, 1)], eof: true), try segments([(10, 0)], eof: true),
        try segments([(.max, 1)], eof: true), try segments([], eof: false),
    ])
    func segmentsThatAreNone(reply: [UInt8]) async throws {
        let program = ForeignXfer.capable { _, _ in reply }
        try await withMount(try server(program)) { remote, _ in
            let file = try await file(remote)
            let error = await #expect(throws: NFSError.self) { try await remote.segments(of: file) }
            #expect(error?.status == nil)
        }
    }

    private func put(_ remote: Remote, _ path: String, status: stat? = nil) async throws -> RemotePut {
        let file = SharedDescriptor(try Files.open(path, O_RDONLY))
        let now = try Files.status(file.raw)
        return try await remote.put(
            SmallSource(file, status ?? now, name: path), in: try #require(ForeignState.root), "new", path: "/data/new",
            temporary: "t", attributes: SetAttributes())
    }

    /// The reply is lost with the connection: the same call comes again.
    @Test func aLostReply() async throws {
        let made = try Xfer.Put.encode(
            .success(
                .init(file: try #require(ForeignState.root), attributes: Self.attributes, directory: WeakCacheData())))
        let program = ForeignXfer { _, count in count == 1 ? ForeignXfer.lost : .results(made) }
        let directory = TemporaryDirectory()
        try write(pattern(300_001), to: directory.path + "/source")
        try await withMount(try server(program)) { remote, _ in
            let made = try await put(remote, directory.path + "/source")
            #expect(made.attributes == Self.attributes)
        }
        let transactions = program.transactions(.put)
        #expect(transactions.count == 2 && Set(transactions).count == 1)
    }

    @Test func aSourceThatChanged() async throws {
        let program = ForeignXfer.capable { _, _ in [] }
        let directory = TemporaryDirectory()
        let path = directory.path + "/source"
        try write([1, 2, 3], to: path)
        var before = stat()
        #expect(stat(path, &before) == 0)
        var (touched, shorter, longer) = (before, before, before)
        touched.st_mtim.tv_nsec ^= 1
        shorter.st_size = 2
        longer.st_size = 4
        for status in [touched, shorter, longer] {
            try await withMount(try server(program)) { remote, _ in
                let error = await #expect(throws: TransferError.self) {
                    try await put(remote, path, status: status)
                }
                #expect(error?.kind == .sourceChanged)
            }
        }
        #expect(program.transactions(.put).isEmpty)
    }

    @Test func publishing() async throws {
        let program = ForeignXfer.capable { _, count in
            switch count {
            case 1: try Xfer.Publish.encode(.failure(.jukebox, .init(directory: WeakCacheData(), verifier: 1)))
            case 2: try Xfer.Publish.encode(.failure(.verifierChanged, .init(directory: WeakCacheData(), verifier: 8)))
            case 3:
                try Xfer.Publish.encode(
                    .success(.init(attributes: Self.attributes, directory: WeakCacheData(), verifier: 8)))
            default: try Xfer.Publish.encode(.failure(.exists, .init(directory: WeakCacheData(), verifier: 8)))
            }
        }
        try await withMount(try server(program)) { remote, _ in
            let file = try await file(remote)
            let directory = try #require(ForeignState.root)
            func publish() async throws -> Published {
                try await remote.publish(
                    file.handle, "t", as: "n", in: directory, path: "/data/n", attributes: SetAttributes(),
                    existing: .keep, expected: 7)
            }
            guard case .lost(now: 8) = try await publish(), case .done(Self.attributes) = try await publish() else {
                Issue.record("not as the server said")
                return
            }
            let error = await #expect(throws: NFSError.self) { _ = try await publish() }
            #expect(error?.status == .exists)
            #expect(error?.description == "/data/n: it exists already (XFER PUBLISH: NFS3ERR_EXIST)")
        }
    }
}
