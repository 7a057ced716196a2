import CProtocol
import RPC
import SystemPackage
import Testing

@testable import NFS

/// Values for every field, none of them a default.
enum Sample {
    static let handle = handle([1, 2, 3, 4, 5])
    static let longHandle = handle(Array(0..<64))
    static let time = NFSTime(seconds: 1_700_000_000 as UInt32, nanoseconds: 123_456_789)
    static let attributes = FileAttributes(
        type: .regular, mode: 0o4755, linkCount: 3, uid: 1000, gid: 100, size: 1 << 40, used: 4096, deviceMajor: 8,
        deviceMinor: 1, fileSystem: 0xfeed_face_dead_beef, fileID: 42, accessTime: time,
        modificationTime: NFSTime(seconds: 2 as UInt32, nanoseconds: 3),
        changeTime: NFSTime(seconds: 4 as UInt32, nanoseconds: 5))
    static let data = WeakCacheData(before: WeakCacheData.Before(attributes), after: attributes)
    static let set = SetAttributes(
        mode: 0o640, uid: 7, gid: 8, size: 9, accessTime: .now, modificationTime: .at(time))
    static let target = DirectoryOperation(handle, "name")
    static let verifier: NFS.Verifier = 0x0102_0304_f5f6_f7f8
    static let created = NFS.Created(object: handle, attributes: attributes, directory: data)

    static func handle(_ bytes: [UInt8]) -> FileHandle {
        guard let handle = FileHandle(bytes) else { fatalError("too long for a handle") }
        return handle
    }
}

/// Decodes what was encoded, then every beginning of it, then it with every byte changed: the last two must only not
/// trap.
func roundTrip<V: XDRValue & Equatable>(_ value: V, _ initial: V.Wire) throws {
    let bytes = try XDRCoder.encode(value)
    #expect(bytes.count % 4 == 0)
    #expect(bytes.withUnsafeBytes { V.decode($0, initial) } == value)
    for length in 0..<bytes.count {
        #expect(bytes.prefix(length).withUnsafeBytes { V.decode($0, initial) } == nil, "cut at \(length)")
    }
    #expect((bytes + [0, 0, 0, 0]).withUnsafeBytes { V.decode($0, initial) } == nil, "bytes left over")
    for index in bytes.indices {
        for change: UInt8 in [0xff, 0x01, 0x80] {
            var changed = bytes
            changed[index] ^= change
            _ = changed.withUnsafeBytes { V.decode($0, initial) }
        }
    }
}

func replyRoundTrip<P: StatusProcedure>(_: P.Type, _ success: P.Success, _ failure: P.Failure) throws
where P.Success: Equatable, P.Failure: Equatable {
    let good = try P.encode(.success(success))
    #expect(try good.withUnsafeBytes { try P.decode($0, subject: "s") } == success)
    let bad = try P.encode(.failure(.noSpace, failure))
    guard case .failure(let status, let carried)? = bad.withUnsafeBytes({ P.decodeReply($0) }) else {
        Issue.record("\(P.name): a failure that is none")
        return
    }
    #expect(status == NFSStatus.noSpace && carried == failure)
    #expect(throws: NFSError(.noSpace, procedure: P.name, "s")) {
        try bad.withUnsafeBytes { try P.decode($0, subject: "s") }
    }
    for bytes in [good, bad] {
        for length in 0..<bytes.count {
            #expect(throws: NFSError(malformed: P.name, "s"), "\(P.name) cut at \(length)") {
                try bytes.prefix(length).withUnsafeBytes { try P.decode($0, subject: "s") }
            }
        }
        for index in bytes.indices {
            var changed = bytes
            changed[index] ^= 0xff
            _ = changed.withUnsafeBytes { P.decodeReply($0) }
        }
    }
}

@Suite struct RoundTripTests {
    @Test func argumentsOfEveryProcedure() throws {
        try roundTrip(Sample.longHandle, nfs_fh3())
        try roundTrip(Sample.target, diropargs3())
        try roundTrip(NFS.SetAttr.Arguments(Sample.handle, Sample.set, guardTime: Sample.time), SETATTR3args())
        try roundTrip(NFS.SetAttr.Arguments(Sample.handle, SetAttributes()), SETATTR3args())
        try roundTrip(NFS.Access.Arguments(Sample.handle, [.read, .execute]), ACCESS3args())
        try roundTrip(NFS.Read.Arguments(Sample.handle, offset: 1 << 41, count: 77), READ3args())
        try roundTrip(NFS.Create.Arguments(Sample.target, .unchecked(Sample.set)), CREATE3args())
        try roundTrip(NFS.Create.Arguments(Sample.target, .guarded(Sample.set)), CREATE3args())
        try roundTrip(NFS.Create.Arguments(Sample.target, .exclusive(Sample.verifier)), CREATE3args())
        try roundTrip(NFS.MkDir.Arguments(Sample.target, Sample.set), MKDIR3args())
        try roundTrip(NFS.SymLink.Arguments(Sample.target, Sample.set, text: "../there"), SYMLINK3args())
        try roundTrip(NFS.MkNod.Arguments(Sample.target, .blockDevice(Sample.set, major: 1, minor: 2)), MKNOD3args())
        try roundTrip(
            NFS.MkNod.Arguments(Sample.target, .characterDevice(Sample.set, major: 1, minor: 2)), MKNOD3args())
        try roundTrip(NFS.MkNod.Arguments(Sample.target, .socket(Sample.set)), MKNOD3args())
        try roundTrip(NFS.MkNod.Arguments(Sample.target, .fifo(Sample.set)), MKNOD3args())
        try roundTrip(NFS.MkNod.Arguments(Sample.target, .other(.regular)), MKNOD3args())
        try roundTrip(NFS.Rename.Arguments(from: Sample.target, to: Sample.target), RENAME3args())
        try roundTrip(NFS.Link.Arguments(Sample.handle, link: Sample.target), LINK3args())
        try roundTrip(
            NFS.ReadDir.Arguments(Sample.handle, cookie: 5, verifier: Sample.verifier, count: 99), READDIR3args())
        try roundTrip(
            NFS.ReadDirPlus.Arguments(
                Sample.handle, cookie: 5, verifier: Sample.verifier, directoryCount: 98, maximumCount: 99),
            READDIRPLUS3args())
        try roundTrip(NFS.Commit.Arguments(Sample.handle, offset: 6, count: 7), COMMIT3args())
    }

    @Test func resultsOfEveryProcedure() throws {
        let (attributes, data) = (Sample.attributes, Sample.data)
        try replyRoundTrip(NFS.GetAttr.self, attributes, Nothing())
        try replyRoundTrip(NFS.SetAttr.self, data, WeakCacheData(before: nil, after: attributes))
        try replyRoundTrip(
            NFS.Lookup.self, .init(object: Sample.longHandle, attributes: attributes, directory: nil), attributes)
        try replyRoundTrip(NFS.Access.self, .init(attributes: attributes, rights: [.lookup]), nil)
        try replyRoundTrip(NFS.ReadLink.self, .init(attributes: nil, text: "over/there"), attributes)
        try replyRoundTrip(
            NFS.Write.self, .init(file: data, count: 5, committed: .dataSync, verifier: Sample.verifier), data)
        try replyRoundTrip(NFS.Create.self, Sample.created, data)
        try replyRoundTrip(NFS.MkDir.self, Sample.created, data)
        try replyRoundTrip(NFS.SymLink.self, Sample.created, data)
        try replyRoundTrip(NFS.MkNod.self, NFS.Created(object: nil, attributes: nil, directory: data), data)
        try replyRoundTrip(NFS.Remove.self, data, data)
        try replyRoundTrip(NFS.RmDir.self, data, data)
        try replyRoundTrip(
            NFS.Rename.self, .init(fromDirectory: data, toDirectory: WeakCacheData()),
            .init(fromDirectory: WeakCacheData(), toDirectory: data))
        try replyRoundTrip(
            NFS.Link.self, .init(attributes: attributes, directory: data), .init(attributes: nil, directory: data))
        try replyRoundTrip(
            NFS.FSStat.self,
            .init(
                attributes: attributes, totalBytes: 1, freeBytes: 2, availableBytes: 3, totalFiles: 4, freeFiles: 5,
                availableFiles: 6, invariantSeconds: 7), nil)
        try replyRoundTrip(
            NFS.FSInfo.self,
            .init(
                attributes: attributes, readMaximum: 1, readPreferred: 2, readMultiple: 3, writeMaximum: 4,
                writePreferred: 5, writeMultiple: 6, directoryPreferred: 7, maximumFileSize: 8, timeDelta: Sample.time,
                properties: 0x1b), attributes)
        try replyRoundTrip(
            NFS.PathConf.self,
            .init(
                attributes: attributes, linkMaximum: 1, nameMaximum: 255, noTruncation: true,
                changeOwnerRestricted: false, caseInsensitive: true, casePreserving: false), nil)
        try replyRoundTrip(NFS.Commit.self, .init(file: data, verifier: Sample.verifier), data)
    }

    @Test func namesAreBytes() throws {
        let name = FileName([0xff, 0x00, 0x2f, 0xc3] as [UInt8])
        try roundTrip(DirectoryOperation(Sample.handle, name), diropargs3())
        #expect(name.count == 4)
        #expect(FileName("ä").bytes == [0xc3, 0xa4])
    }

    @Test func aNameBeyondTheLimitIsAnError() {
        let name = FileName([UInt8](repeating: 65, count: 4097))
        #expect(throws: XDREncodingError.self) { try XDRCoder.encode(DirectoryOperation(Sample.handle, name)) }
        #expect(FileHandle([UInt8](repeating: 0, count: 65)) == nil)
    }

    @Test func theLongestRenameIsEncoded() throws {
        let name = FileName([UInt8](repeating: 65, count: 4096))
        let operation = DirectoryOperation(Sample.longHandle, name)
        #expect(try XDRCoder.encode(NFS.Rename.Arguments(from: operation, to: operation)).count == 2 * (68 + 4100))
    }

    @Test func statusesHaveTheirNamesAndNumbers() {
        #expect(NFSStatus.stale.name == "NFS3ERR_STALE" && NFSStatus.stale.rawValue == 70)
        #expect(NFSStatus.all.count == 29)
        #expect(NFSStatus(rawValue: 4711).name == "nfsstat3 4711")
        #expect(NFSStatus(.noSpace) == .noSpace && NFSStatus(.directoryNotEmpty) == .notEmpty)
        #expect(NFSStatus(.timedOut) == .io)
        // A client asks again for as long as it is told JUKEBOX: only what passes by itself.
        #expect(NFSStatus(.tooManyOpenFiles) == .jukebox && NFSStatus(.noMemory) == .jukebox)
        #expect(NFSStatus(.resourceBusy) == .accessDenied && NFSStatus(.textFileBusy) == .accessDenied)
        #expect(
            NFSError(.noSpace, .write, "/e/f").description == "/e/f: no space left on the server (WRITE: NFS3ERR_NOSPC)"
        )
        #expect(NFS.ProcedureNumber.commit.rawValue == 21 && NFS.ProcedureNumber.readDirPlus.name == "READDIRPLUS")
    }
}
