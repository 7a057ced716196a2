import Glibc
import Kernel
import NFS
import RPC
import SystemPackage
import Testing

@testable import FileServer

/// Callers of the procedures' tests.
enum Users {
    static let root = Credential.system(uid: 0, gid: 0, groups: [])
    static let ada = Credential.system(uid: 1001, gid: 1001, groups: [2001])
    static let eve = Credential.system(uid: 1002, gid: 1002, groups: [])
}

extension Fixture {
    /// A writable export that anybody may change, on a file system that knows owners, link counts and nanoseconds.
    static func inMemory(
        _ kind: HandleKind = .automatic, _ change: (inout ExportOptions) -> Void = { _ in }
    ) throws -> Fixture {
        var options = ExportOptions.forWriting
        change(&options)
        let directory = try Directory(in: Directory.memory)
        chmod(directory.path, 0o777)
        return try Fixture(kind, options: options, directory: directory)
    }

    /// The same directory on another server: after a restart, or exported in another way.
    func again(_ kind: HandleKind = .automatic, readOnly: Bool = false) throws -> Fixture {
        try Fixture(kind, readOnly: readOnly, directory: directory)
    }

    func acting(as credential: Credential) -> Fixture {
        var copy = self
        copy.credential = credential
        return copy
    }

    func path(_ name: String) -> String { "\(directory.path)/\(name)" }

    func create(_ name: FileName, mode: UInt32 = 0o644, in parent: FileHandle? = nil) throws -> FileHandle {
        let made = try call(
            NFS.Create.self, .init(target(name, in: parent), .guarded(SetAttributes(mode: mode))))
        return try #require(made.object)
    }

    func makeDirectory(_ name: FileName, mode: UInt32 = 0o755, in parent: FileHandle? = nil) throws -> FileHandle {
        try #require(try call(NFS.MkDir.self, .init(target(name, in: parent), SetAttributes(mode: mode))).object)
    }

    /// The reply, with what comes with a failure.
    func reply<P: NFSProcedure>(_: P.Type, _ arguments: P.Arguments) throws -> P.Reply {
        try #require(try results(P.number, XDRCoder.encode(arguments)).withUnsafeBytes { P.decodeReply($0) })
    }

    /// Weak cache consistency data, RFC 1813 section 2.6: what `body` was told of an object is what it was and is.
    func expectConsistency(
        of handle: FileHandle, location: SourceLocation = #_sourceLocation, _ body: () throws -> WeakCacheData
    ) throws {
        let before = try attributes(handle)
        let data = try body()
        #expect(data.before == WeakCacheData.Before(before), sourceLocation: location)
        #expect(try data.after == attributes(handle), sourceLocation: location)
    }
}

extension NFSReply where Failure == WeakCacheData {
    /// Of a call that must fail with `status`.
    func data(failing status: NFSStatus, location: SourceLocation = #_sourceLocation) throws -> WeakCacheData {
        guard case .failure(status, let data) = self else {
            Issue.record("\(self)", sourceLocation: location)
            return WeakCacheData()
        }
        return data
    }
}

extension Answer {
    /// The status that the results of an NFS procedure begin with.
    var status: NFSStatus? {
        switch self {
        case .results(let bytes), .file(let bytes, _, _, _):
            UInt32(bigEndianBytes: bytes.prefix(4)).map(NFSStatus.init)
        default: nil
        }
    }
}

/// A small memory file system of a test's own, unmounted at the end.
final class SmallDisk {
    let directory: Directory
    private let path: String

    /// - Parameter options: of tmpfs(5).
    init(_ options: String) throws {
        directory = try Directory()
        path = directory.path
        guard mount("tmpfs", path, "tmpfs", 0, options) == 0 else {
            throw SystemError("mount", Errno(rawValue: errno), on: path)
        }
        chmod(path, 0o777)
    }

    func makeReadOnly() throws {
        guard mount("tmpfs", path, "tmpfs", UInt(MS_REMOUNT | MS_RDONLY), nil) == 0 else {
            throw SystemError("mount", Errno(rawValue: errno), on: path)
        }
    }

    deinit { umount2(path, Int32(MNT_DETACH)) }
}

/// What the tests that need something say when it is not there.
enum Need {
    static let callers = ConditionTrait.enabled(
        if: ThreadCredentials.canChange, "needs root: threads act as other users")
    static let mounts = ConditionTrait.enabled(if: geteuid() == 0, "needs root: mounts a file system")
}
