import CProtocol
import RPC
import Testing

@testable import NFS

@Suite struct PayloadTests {
    private let write = NFS.Write.Arguments(Sample.handle, offset: 1 << 33, count: 1001, stability: .unstable)

    @Test func writeHeadIsFoundAsSoonAsItCanBe() throws {
        let bytes = try NFS.Write.encode(write)
        for length in 0..<bytes.count {
            let position = bytes.prefix(length).withUnsafeBytes { NFS.writeCallPayload(arguments: $0) }
            #expect(position == .needs(length < 4 ? 4 : bytes.count), "at \(length)")
        }
        let all = bytes + [UInt8](repeating: 9, count: 12)
        #expect(all.withUnsafeBytes { NFS.writeCallPayload(arguments: $0) } == .at(offset: bytes.count, count: 1001))
        let head = all.withUnsafeBytes { NFS.Write.decodeHead($0) }
        #expect(head?.arguments == write && head?.length == bytes.count)
    }

    @Test func writeWithLengthsThatLieIsNoPayload() throws {
        var bytes = try NFS.Write.encode(write)
        bytes[0...3] = [0, 0, 0, 65]
        #expect(bytes.withUnsafeBytes { NFS.writeCallPayload(arguments: $0) } == .none)
        bytes = try NFS.Write.encode(write)
        bytes[bytes.count - 1] ^= 1
        #expect(bytes.withUnsafeBytes { NFS.writeCallPayload(arguments: $0) } == .none, "count and length differ")
        #expect(bytes.withUnsafeBytes { NFS.Write.decodeHead($0)?.length } == nil)
        bytes = try NFS.Write.encode(.init(Sample.handle, offset: 0, count: .max, stability: .unstable))
        #expect(bytes.withUnsafeBytes { NFS.writeCallPayload(arguments: $0) } == .none, "more than 16 MiB")
        #expect(bytes.withUnsafeBytes { NFS.Write.decodeHead($0)?.length } == nil)
    }

    @Test(arguments: [Sample.attributes, nil])
    func readHeaderIsFoundAsSoonAsItCanBe(attributes: FileAttributes?) throws {
        let header = NFS.Read.Header(attributes: attributes, count: 4097, endOfFile: true)
        let bytes = try NFS.Read.encode(header)
        for length in 0..<bytes.count {
            let position = bytes.prefix(length).withUnsafeBytes { NFS.readReplyPayload(results: $0) }
            #expect(position == .needs(length < 8 ? 8 : bytes.count), "at \(length)")
            #expect(throws: NFSError(malformed: .read, "f")) {
                try bytes.prefix(length).withUnsafeBytes { try NFS.Read.decode($0, subject: "f").length }
            }
        }
        #expect(bytes.withUnsafeBytes { NFS.readReplyPayload(results: $0) } == .at(offset: bytes.count, count: 4097))
        let decoded = try bytes.withUnsafeBytes { try NFS.Read.decode($0, subject: "f") }
        #expect(decoded.header == header && decoded.length == bytes.count)
    }

    @Test func aFailedReadHasNoPayload() throws {
        for attributes in [Sample.attributes, nil] {
            let bytes = try NFS.Read.encode(.stale, attributes)
            #expect(bytes.withUnsafeBytes { NFS.readReplyPayload(results: $0) } == .none)
            #expect(bytes.prefix(4).withUnsafeBytes { NFS.readReplyPayload(results: $0) } == .none)
            #expect(throws: NFSError(.stale, .read, "f")) {
                try bytes.withUnsafeBytes { try NFS.Read.decode($0, subject: "f").length }
            }
        }
    }

    @Test func aReadReplyThatLiesIsRefused() throws {
        var bytes = try NFS.Read.encode(.init(attributes: nil, count: .max, endOfFile: false))
        #expect(bytes.withUnsafeBytes { NFS.readReplyPayload(results: $0) } == .none)
        #expect(throws: NFSError(malformed: .read, "f")) {
            try bytes.withUnsafeBytes { try NFS.Read.decode($0, subject: "f").length }
        }
        bytes[7] = 2  // neither TRUE nor FALSE
        #expect(bytes.withUnsafeBytes { NFS.readReplyPayload(results: $0) } == .none)
    }
}
