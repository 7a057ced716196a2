import NFS
import TestSupport
import Testing

@testable import Transfer

/// Small files of a server whose READ says what the file is once its bytes were taken: XFER_WHOLEREADS.
@Suite struct WholeReadTests {
    private let data = Array("what a small file has".utf8)

    private func server(
        _ hasWholeReads: Bool, _ size: Int? = nil, read: @escaping @Sendable (FileAttributes) -> FileAttributes?
    ) throws -> ForeignServer {
        let program = ForeignXfer.capable(hasWholeReads: hasWholeReads) { _, _ in [] }
        var behaviour = Behaviour()
        behaviour.readAttributes = read
        let server = try ForeignServer(behaviour: behaviour, more: [program])
        server.state.add("file", size.map { [UInt8](repeating: 7, count: $0) } ?? data)
        return server
    }

    /// - Returns: GETATTRs that the fetch of one file took.
    private func fetch(_ server: ForeignServer) async throws -> Int {
        let place = TemporaryDirectory()
        return try await withMount(server) { remote, _ in
            let fetch = FileFetch(remote: remote, rules: CopyRules(), progress: Progress())
            let file = try await remote.find("/data/file")
            let asked = server.state.calls(.getAttr)
            _ = try await fetch.run(file, into: try LocalDirectory(path: place.path), as: "copy")
            return server.state.calls(.getAttr) - asked
        }
    }

    @Test func theFileIsNotAskedForAgain() async throws {
        #expect(try await fetch(try server(true) { $0 }) == 0)
        #expect(try await fetch(try server(true, 65536) { $0 }) == 0)
    }

    /// Where the server does not say that, or gives no attributes, or the file is larger than that holds for.
    @Test func otherwiseItIs() async throws {
        #expect(try await fetch(try server(false) { $0 }) == 1)
        #expect(try await fetch(try server(true) { _ in nil }) == 1)
        #expect(try await fetch(try server(true, 65537) { $0 }) == 1)
    }

    @Test func whatChangedMeanwhileIsNotTaken() async throws {
        let later: @Sendable (FileAttributes) -> FileAttributes? = {
            var attributes = $0
            attributes.modificationTime.seconds += 1
            return attributes
        }
        await #expect(throws: TransferError.self) { try await fetch(try server(true, read: later)) }
    }
}
