import Kernel
import NFS
import Synchronization
import TestSupport
import Testing

@testable import Transfer

/// Files read in order into memory, from servers that answer as a test has it.
@Suite struct FileReaderTests {
    private static let contents = pattern(1_000_001)

    /// What came of reading `/data/f` in READs of 4 KiB, and what was thrown.
    ///
    /// - Parameter write: called with how many bytes came before, besides gathering them.
    private func read(
        _ behaviour: Behaviour, _ part: FilePart = .all,
        write: @escaping @Sendable (ForeignState, Int) throws -> Void = { _, _ in }
    ) async throws -> (bytes: [UInt8], error: (any Error)?, server: ForeignServer) {
        let server = try ForeignServer(behaviour: behaviour)
        server.state.add("f", Self.contents)
        let (bytes, error) = try await withMount(server, "xprtsec=none,rsize=4096") { remote, _ in
            var bytes: [UInt8] = []
            do {
                try await FileReader(remote).read("/data/f", part) {
                    try write(server.state, bytes.count)
                    bytes += $0
                }
                return (bytes, nil as (any Error)?)
            } catch {
                return (bytes, error)
            }
        }
        return (bytes, error, server)
    }

    /// READs that come short take another, and those behind them are there first.
    @Test func inOrderWhateverComesFirst() async throws {
        var behaviour = Behaviour()
        behaviour.read = { available, count in count % 3 == 0 ? available : max(1, available / 2) }
        let (bytes, error, _) = try await read(behaviour)
        #expect(error == nil)
        #expect(bytes.count == Self.contents.count && bytes == Self.contents)
    }

    /// What is asked for is never more than a window ahead of what has been taken.
    @Test func noMoreThanAWindowIsAskedFor() async throws {
        let largest = Atomic<UInt64>(0)
        let (bytes, error, server) = try await read(Behaviour()) { state, before in
            let asked = state.content.withLock { $0.reads.map { $0.offset + UInt64($0.count) }.max() ?? 0 }
            largest.max(asked - UInt64(before), ordering: .relaxed)
        }
        #expect(error == nil && bytes == Self.contents)
        #expect(server.state.calls(.read) == 245)
        #expect((1...(16 * 4096)).contains(largest.load(ordering: .relaxed)))
    }

    @Test func aPartIsAllThatIsAskedFor() async throws {
        let (bytes, error, server) = try await read(Behaviour(), .from(offset: 5000, length: 10))
        #expect(error == nil && bytes == Array(Self.contents[5000..<5010]))
        #expect(server.state.content.withLock { $0.reads.map { [$0.offset, UInt64($0.count)] } } == [[5000, 10]])
        let (none, _, quiet) = try await read(Behaviour(), .from(offset: 2_000_000, length: nil))
        #expect(none == [] && quiet.state.calls(.read) == 0)
    }

    @Test func aFileThatGrowsWhileItIsRead() async throws {
        let (bytes, error, _) = try await read(Behaviour()) { state, before in
            guard before == 0, let file = state.content.withLock({ $0.files.first?.value }) else { return }
            try [1, 2, 3].withUnsafeBytes { try Files.write(file.data.raw, $0, at: UInt64(Self.contents.count)) }
        }
        #expect(bytes == Self.contents)
        #expect((error as? TransferError)?.kind == .sourceChanged)
    }

    @Test func aFileThatIsCutShortWhileItIsRead() async throws {
        let (bytes, error, _) = try await read(Behaviour()) { state, before in
            if before == 0 { state.content.withLock { $0.files.first?.value }?.data.truncate(to: 500_000) }
        }
        #expect((error as? TransferError)?.kind == .sourceChanged, "\(String(describing: error))")
        #expect(bytes.count < Self.contents.count && bytes == Array(Self.contents.prefix(bytes.count)))
    }

    @Test func aServerThatSendsNothing() async throws {
        var behaviour = Behaviour()
        behaviour.read = { available, count in count > 10 ? 0 : available }
        let (_, error, _) = try await read(behaviour)
        #expect("\(String(describing: error))".contains("sends nothing at offset"))
    }

    @Test func aServerThatSendsTooMuch() async throws {
        var behaviour = Behaviour()
        behaviour.read = { available, count in count == 3 ? available + 4096 : available }
        let (_, error, _) = try await read(behaviour)
        #expect("\(String(describing: error))".contains("sent 8192 bytes where 4096 were asked for"))
    }

    /// What the reader of the bytes throws comes through, and no further READs are made for long.
    @Test func whoTakesTheBytesEndsIt() async throws {
        struct Enough: Error {}
        let (bytes, error, server) = try await read(Behaviour()) { _, before in
            if before > 8192 { throw Enough() }
        }
        #expect(error is Enough && bytes.count == 12288)
        #expect(server.state.calls(.read) <= 3 + 16)
    }
}
