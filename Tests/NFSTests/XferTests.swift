import CProtocol
import RPC
import Testing

@testable import NFS

/// Protocol/xfer.x both ways.
@Suite struct XferTests {
    private static let handle = FileHandle([1, 2, 3, 4, 5]) ?? FileHandle([])
    private static let time = NFSTime(seconds: 1_700_000_000 as UInt32, nanoseconds: 999_999_999)
    private static let attributes = FileAttributes(
        type: .regular, mode: 0o640, linkCount: 1, uid: 1, gid: 2, size: 1 << 40, used: 512, fileSystem: 3, fileID: 4,
        accessTime: time, modificationTime: time, changeTime: time)
    private static let data = WeakCacheData(before: .init(attributes), after: attributes)
    private static let set = SetAttributes(mode: 0o600, uid: 7, gid: 8, accessTime: .now, modificationTime: .at(time))

    @Test func arguments() throws {
        let handle = try #require(Self.handle)
        try roundTrip(handle, nfs_fh3())
        try roundTrip(
            Xfer.Checksum.Arguments(handle, algorithm: 2, offset: .max, count: 1 << 50, blockSize: 65536),
            CHECKSUMargs())
        for expected in [nil, 0x0102_0304_0506_0708] as [NFS.Verifier?] {
            try roundTrip(
                Xfer.Publish.Arguments(
                    handle, file: handle, temporary: ".a.x.xfer", name: "a", attributes: Self.set, existing: .keep,
                    expected: expected, synchronize: false),
                PUBLISHargs())
        }
        try roundTrip(Xfer.Segments.Arguments(handle, offset: 1 << 63, count: 9), SEGMENTSargs())
    }

    @Test func results() throws {
        try replyRoundTrip(
            Xfer.Capabilities.self,
            .init(
                algorithms: 3, isWritable: true, putMaximum: 1, digestMaximum: 2, rangeMaximum: 1 << 40,
                segmentMaximum: 3),
            Nothing())
        let checksums = Xfer.Checksum.Success(
            file: Self.data, count: 1 << 40, endOfFile: true, digests: Array(0..<64))
        try replyRoundTrip(Xfer.Checksum.self, checksums, Self.attributes)
        #expect(try Xfer.Checksum.encodeSuccess(checksums) == Xfer.Checksum.encode(.success(checksums)))
        try replyRoundTrip(
            Xfer.Put.self, .init(file: #require(Self.handle), attributes: Self.attributes, directory: Self.data),
            Self.data)
        try replyRoundTrip(
            Xfer.Publish.self, .init(attributes: nil, directory: Self.data, verifier: .max),
            .init(directory: Self.data, verifier: 77))
        try replyRoundTrip(
            Xfer.Segments.self,
            .init(
                attributes: Self.attributes, endOfFile: false,
                segments: [.init(offset: 0, count: 4096), .init(offset: 1 << 40, count: 1)]),
            Self.attributes)
    }

    /// As many digests as there may be.
    @Test func theLargestReply() throws {
        let digests = (0..<Xfer.digestLimit).map { UInt8(truncatingIfNeeded: $0) }
        let bytes = try Xfer.Checksum.encodeSuccess(
            .init(file: Self.data, count: 1, endOfFile: false, digests: digests))
        #expect(try bytes.withUnsafeBytes { try Xfer.Checksum.decode($0, subject: "s") }.digests == digests)
        #expect(throws: XDREncodingError.self) {
            try Xfer.Checksum.encodeSuccess(
                .init(file: Self.data, count: 1, endOfFile: false, digests: digests + [0, 0, 0, 0]))
        }
    }

    /// Where the data of a PUT stands is found out of any beginning of the arguments, and is behind all of them.
    @Test(arguments: [
        SetAttributes(), SetAttributes(mode: 1, uid: 2, gid: 3, size: 4, accessTime: .now, modificationTime: .now),
        SetAttributes(uid: 2, accessTime: .at(time), modificationTime: .at(time)),
    ])
    func thePlaceOfTheData(attributes: SetAttributes) throws {
        for name: FileName in ["", "a", "four", "five5"] {
            let arguments = Xfer.Put.Arguments(
                try #require(Self.handle), name, temporary: "tmp", attributes: attributes, existing: .keep,
                synchronize: true, count: 1_000_001)
            let head = try Xfer.Put.encode(arguments)
            for length in 0..<head.count {
                let position = head.prefix(length).withUnsafeBytes { Xfer.Put.payload(arguments: $0) }
                guard case .needs(let count) = position else {
                    Issue.record("\(position) of \(length) bytes")
                    continue
                }
                #expect(count > length && count <= head.count)
            }
            let bytes = head + [UInt8](repeating: 9, count: 100)
            #expect(
                bytes.withUnsafeBytes { Xfer.Put.payload(arguments: $0) } == .at(offset: head.count, count: 1_000_001))
            let decoded = try #require(bytes.withUnsafeBytes { Xfer.Put.decodeHead($0) })
            #expect(decoded.arguments == arguments && decoded.length == head.count)
        }
    }

    @Test func lengthsBeyondTheLimits() throws {
        let arguments = Xfer.Put.Arguments(
            try #require(Self.handle), "name", temporary: "tmp", attributes: SetAttributes(), count: 0)
        var head = try Xfer.Put.encode(arguments)
        head.setLastWord(UInt32(NFS.payloadLimit) + 1)
        #expect(head.withUnsafeBytes { Xfer.Put.payload(arguments: $0) } == .none)
        #expect(head.withUnsafeBytes { Xfer.Put.decodeHead($0) } == nil)
        let longHandle: [UInt8] = [0, 0, 0, 65]
        #expect(longHandle.withUnsafeBytes { Xfer.Put.payload(arguments: $0) } == .none)
        let longName: [UInt8] = [0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]
        #expect(longName.withUnsafeBytes { Xfer.Put.payload(arguments: $0) } == .none)
    }
}
