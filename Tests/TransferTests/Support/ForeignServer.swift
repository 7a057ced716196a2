import CProtocol
import Glibc
import Kernel
import Logging
import NFS
import RPC
import SecureChannel
import Synchronization
import TestSupport

/// A server that is not ours: NFS and MOUNT of one directory of regular files, which answers as a test has it.
final class ForeignServer: Sendable {
    let host: String
    let port: UInt16
    let state: ForeignState
    private let server: Server

    /// - Parameters:
    ///   - host: an address of this machine.
    ///   - securer: nil: all programs are answered in cleartext.
    ///   - mount: whether MOUNT is answered on this port.
    ///   - more: other programs.
    init(
        host: String = "127.0.0.1", behaviour: Behaviour = Behaviour(), securer: (any ConnectionSecurer)? = nil,
        mount: Bool = true, more: [any Program] = []
    ) throws {
        TestProcess.prepare()
        self.host = host
        state = ForeignState(behaviour)
        let (listener, port) = try Self.listen(host, 0)
        self.port = port
        var programs: [any Program] = [ForeignNFS(state: state, takesCleartext: securer == nil)]
        if mount { programs.append(ForeignMount(state: state, takesCleartext: securer == nil)) }
        server = try Server(
            listeners: [listener], programs: programs + more, policy: ServerPolicy(), securer: securer ?? NoTLS(),
            log: silent)
        try server.start(workers: 2)
    }

    deinit { server.stop() }

    static func listen(_ host: String, _ port: UInt16) throws -> (SharedDescriptor, UInt16) {
        guard let address = try SocketAddress.resolve(host, port: port).first else { throw Unexpected("no \(host)") }
        let listener = SharedDescriptor(try Socket.listen(on: address))
        return (listener, try Socket.local(listener.raw).port)
    }
}

/// Quiet: what is logged is not what is tested.
let silent = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

private struct NoTLS: ConnectionSecurer {
    func secure(_ socket: SharedDescriptor, peerAddress: String) throws -> (Channel, Peer.Protection) {
        throw Unexpected("no TLS here")
    }
}

/// What a foreign server does otherwise than a plain one. `count` is how many calls of the procedure came, from 1 on.
struct Behaviour: Sendable {
    /// What EXPORT lists; nil: PROC_UNAVAIL.
    var exports: [Mount.ExportEntry]? = [Mount.ExportEntry(path: "/data")]
    /// What MNT answers to a path: nil is the root.
    var mnt: @Sendable (String) -> Mount.Status? = { $0 == "/data" ? nil : .noEntry }
    /// MNT of a file is that file's handle, as Linux has it.
    var mountsFiles = false
    /// Credential flavors of MNT.
    var flavors: [UInt32] = [1]
    /// All calls of NFS are refused: AUTH_ERROR.
    var denied: AuthStatus?
    /// PROC_UNAVAIL
    var unavailable: Set<NFS.ProcedureNumber> = []
    /// The first call of it is done, and its reply gets lost with the connection.
    var losesReply: Set<NFS.ProcedureNumber> = []
    /// A procedure fails.
    var status: @Sendable (NFS.ProcedureNumber, _ count: Int) -> NFSStatus? = { _, _ in nil }
    /// rtmax, rtpref, rtmult; the same for writing.
    var sizes: (maximum: UInt32, preferred: UInt32, multiple: UInt32) = (1 << 20, 1 << 20, 4096)
    /// Bytes that READ gives of those that are asked for and are there.
    var read: @Sendable (_ available: Int, _ count: Int) -> Int = { available, _ in available }
    /// What READ says of the file, which has these attributes.
    var readAttributes: @Sendable (FileAttributes) -> FileAttributes? = { _ in nil }
    /// What WRITE says that it did.
    var write: @Sendable (NFS.Write.Arguments, _ count: Int) -> (Int, NFS.Write.Stability, NFS.Verifier) = {
        arguments, _ in (Int(arguments.count), .unstable, 1)
    }
    /// COMMIT's verifier.
    var commit: @Sendable (_ count: Int) -> NFS.Verifier = { _ in 1 }
    /// Entries of one page of a listing.
    var page = 100
    /// READDIR wants room for so many bytes: NFS3ERR_TOOSMALL.
    var readDirNeeds: UInt32 = 0
    /// Names that READDIRPLUS gives without attributes and handle.
    var bare: Set<String> = []
    /// The cookie of the entry at an index.
    var cookie: @Sendable (Int) -> UInt64 = { UInt64($0 + 1) }
}

/// Files, and what was asked.
final class ForeignState: Sendable {
    struct File: Sendable {
        let name: String
        let data: TestFile
    }

    struct Content {
        var files: [UInt64: File] = [:]
        var next: UInt64 = 2
        var calls: [NFS.ProcedureNumber: Int] = [:]
        /// Arguments of all WRITEs and READs, in the order they came.
        var writes: [NFS.Write.Arguments] = []
        var reads: [NFS.Read.Arguments] = []
        var mounted: [String] = []
        /// The xids of calls.
        var transactions: [NFS.ProcedureNumber: [UInt32]] = [:]
    }

    let behaviour: Behaviour
    let content = Mutex(Content())

    init(_ behaviour: Behaviour) { self.behaviour = behaviour }

    static let root = FileHandle([0, 0, 0, 0, 0, 0, 0, 1])

    static func handle(_ number: UInt64) -> FileHandle? {
        FileHandle((0..<8).map { UInt8(truncatingIfNeeded: number >> (56 - 8 * UInt64($0))) })
    }

    static func number(_ handle: FileHandle) -> UInt64 { handle.bytes.reduce(0) { $0 << 8 | UInt64($1) } }

    @discardableResult
    func add(_ name: String, _ bytes: [UInt8]) -> UInt64 {
        content.withLock { content in
            defer { content.next += 1 }
            content.files[content.next] = File(name: name, data: TestFile(bytes))
            return content.next
        }
    }

    func calls(_ procedure: NFS.ProcedureNumber) -> Int { content.withLock { $0.calls[procedure] ?? 0 } }

    /// The bytes of a file; nil where there is none of that name.
    func bytes(_ name: String) throws -> [UInt8]? {
        try content.withLock { $0.files.values.first { $0.name == name } }?.data.contents
    }

    var names: Set<String> { content.withLock { Set($0.files.values.map(\.name)) } }

    func attributes(_ number: UInt64) -> FileAttributes? {
        let size: UInt64
        if number == 1 {
            size = 4096
        } else {
            guard let file = content.withLock({ $0.files[number] }), let status = try? Files.status(file.data.raw)
            else { return nil }
            size = UInt64(status.st_size)
        }
        let time = NFSTime(seconds: 1_700_000_000 as UInt32, nanoseconds: 7)
        return FileAttributes(
            type: number == 1 ? .directory : .regular, mode: 0o644, linkCount: 1, uid: 0, gid: 0, size: size,
            used: size,
            fileSystem: 9, fileID: number, accessTime: time, modificationTime: time, changeTime: time)
    }
}

/// What a session told its user.
final class Notes: Sendable {
    private let all = Mutex<[String]>([])
    func add(_ note: String) { all.withLock { $0.append(note) } }
    var list: [String] { all.withLock { $0 } }
}
