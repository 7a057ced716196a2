import Glibc
import Kernel
import Logging
import NFS
import RPC
import Synchronization
import SystemPackage
import TestSupport
import Testing

@testable import FileServer

/// A directory of a test's own, removed with its contents at the end.
final class Directory: Sendable {
    let path: String

    /// A memory file system, wherever the tests run. The root of the kTLS lab is hostfs, which shows no link counts and
    /// keeps no nanoseconds: what looks at those is tested here.
    static let memory = "/dev/shm"

    init(in parent: String = "/tmp") throws {
        var template = Array("\(parent)/FileServerTests.XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SystemError("mkdtemp", .init(rawValue: errno)) }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit { removeTree(path) }

    func write(_ name: String, _ text: String, mode: mode_t = 0o644) throws {
        let file = try Files.open("\(path)/\(name)", O_WRONLY | O_CREAT | O_TRUNC, mode: mode)
        var result: Result<Void, SystemError> = .success(())
        Array(text.utf8).withUnsafeBytes { bytes in
            result = Result { () throws(SystemError) in try Files.write(file.raw, bytes, at: 0) }
        }
        try result.get()
    }

    func read(_ name: String) throws -> String {
        let file = try Files.open("\(path)/\(name)", O_RDONLY)
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        let count = try bytes.withUnsafeMutableBytes { try Files.read(file.raw, into: $0, at: 0) }
        return String(decoding: bytes.prefix(count), as: UTF8.self)
    }

    func make(directory name: String) { mkdir("\(path)/\(name)", 0o755) }
    func exists(_ name: String) -> Bool {
        var status = stat()
        return lstat("\(path)/\(name)", &status) == 0
    }
}

/// Every call is another one: none is taken for one that was sent again.
private let transactions = Atomic<UInt32>(0)

/// A log for tests.
let quiet = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })

/// A file server over one directory, called as the RPC server would call it.
struct Fixture {
    let directory: Directory
    let server: FileServer
    let nfs: NFSProgram
    let mount: MountProgram
    let root: FileHandle
    /// Who calls.
    var credential = Credential.system(uid: 0, gid: 0, groups: [])
    var peer = Peer(address: "192.0.2.1:700", protection: .tls)

    /// - Parameter options: of the export, for everybody.
    init(
        _ kind: HandleKind = .automatic, readOnly: Bool = false, options: ExportOptions? = nil,
        directory: Directory? = nil, state: String? = nil, openFiles: Int = 256,
        cookies: ListingCookies = .automatic, unnamedFiles: Bool = true
    ) throws {
        let directory = try directory ?? Directory()
        self.directory = directory
        server = try FileServer(
            exports: [
                try Export(
                    name: "/e", directory: directory.path, options: options ?? (readOnly ? .forReading : .forWriting))
            ],
            stateDirectory: state,
            handles: kind, cookies: cookies, openFiles: openFiles, unnamedFiles: unnamedFiles, log: quiet)
        nfs = NFSProgram(server)
        mount = MountProgram(server)
        root = try #require(try mount.mnt("/e")).root
    }

    func target(_ name: FileName, in handle: FileHandle? = nil) -> DirectoryOperation {
        DirectoryOperation(handle ?? root, name)
    }

    func call(_ procedure: NFS.ProcedureNumber) -> Call {
        Call(
            transaction: transactions.wrappingAdd(1, ordering: .relaxed).newValue, program: NFS.program, version: 3,
            procedure: procedure.rawValue, credential: credential,
            peer: peer)
    }

    func answer(_ procedure: NFS.ProcedureNumber, _ arguments: [UInt8]) -> Answer {
        arguments.withUnsafeBytes { nfs.call(call(procedure), arguments: $0) }
    }

    func results(_ procedure: NFS.ProcedureNumber, _ arguments: [UInt8]) throws -> [UInt8] {
        guard case .results(let bytes) = answer(procedure, arguments) else {
            throw NFSError(malformed: procedure, "not answered with results")
        }
        return bytes
    }

    /// A call whose reply has `P`'s results.
    func call<P: NFSProcedure>(_: P.Type, _ arguments: P.Arguments) throws -> P.Success {
        try results(P.number, XDRCoder.encode(arguments)).withUnsafeBytes { try P.decode($0, subject: "test") }
    }

    /// The status of a call that must fail.
    func failure<P: NFSProcedure>(_ procedure: P.Type, _ arguments: P.Arguments) throws -> NFSStatus? {
        do {
            _ = try call(procedure, arguments)
            return nil
        } catch let error as NFSError {
            return error.status
        }
    }

    func lookup(_ name: FileName, in handle: FileHandle? = nil) throws -> FileHandle {
        try call(NFS.Lookup.self, target(name, in: handle)).object
    }

    func attributes(_ handle: FileHandle) throws -> FileAttributes { try call(NFS.GetAttr.self, handle) }

    /// READ: the header, and the bytes that the transport would send.
    func read(_ handle: FileHandle, offset: UInt64 = 0, count: UInt32 = 1 << 16) throws -> (NFS.Read.Header, String) {
        let arguments = try XDRCoder.encode(NFS.Read.Arguments(handle, offset: offset, count: count))
        switch answer(.read, arguments) {
        case .results(let bytes):
            return try bytes.withUnsafeBytes { bytes in
                let (header, length) = try NFS.Read.decode(bytes, subject: "test")
                #expect(bytes.count == length + (Int(header.count) + 3) & ~3)
                return (header, String(decoding: bytes.dropFirst(length).prefix(Int(header.count)), as: UTF8.self))
            }
        case .file(let bytes, let file, let offset, let count):
            var data = [UInt8](repeating: 0, count: count)
            let got = try data.withUnsafeMutableBytes { try Files.read(file.raw, into: $0, at: offset) }
            #expect(got == count, "the head promised more than the file has")
            return (
                try bytes.withUnsafeBytes { try NFS.Read.decode($0, subject: "test").header },
                String(decoding: data, as: UTF8.self)
            )
        default:
            Issue.record("READ was not answered with results")
            throw NFSError(malformed: .read, "test")
        }
    }

    /// WRITE by its payload's way.
    func write(
        _ handle: FileHandle, _ text: String, offset: UInt64 = 0, _ stability: NFS.Write.Stability = .unstable,
        failing: SystemError? = nil
    ) throws -> NFS.Write.Success {
        let data = Array(text.utf8)
        let head = try NFS.Write.encode(
            .init(handle, offset: offset, count: UInt32(data.count), stability: stability))
        #expect(
            head.withUnsafeBytes { nfs.payload(procedure: 7, arguments: $0) }
                == .at(offset: head.count, count: data.count))
        let start = head.withUnsafeBytes { nfs.begin(call(.write), arguments: $0, payload: data.count) }
        let answer: Answer
        switch start {
        case .answered(let early): answer = early
        case .write(let target, let finish):
            var failure = failing
            if failing == nil {
                do throws(SystemError) {
                    try ThreadCredentials.perform(as: target.writer, orThrow: { $0 }) { () throws(SystemError) in
                        var result: Result<Void, SystemError> = .success(())
                        data.withUnsafeBytes { bytes in
                            result = Result { () throws(SystemError) in
                                try Files.write(target.file.raw, bytes, at: target.offset)
                            }
                        }
                        try result.get()
                    }
                } catch {
                    failure = error
                }
            }
            answer = finish(failure)
        }
        guard case .results(let bytes) = answer else { throw NFSError(malformed: .write, "test") }
        return try bytes.withUnsafeBytes { try NFS.Write.decode($0, subject: "test") }
    }

    func list(
        _ handle: FileHandle? = nil, cookie: UInt64 = 0, verifier: NFS.Verifier = 0, count: UInt32 = 1 << 16
    ) throws -> DirectoryListing {
        let arguments = NFS.ReadDir.Arguments(handle ?? root, cookie: cookie, verifier: verifier, count: count)
        return try results(.readDir, XDRCoder.encode(arguments)).withUnsafeBytes {
            try NFS.ReadDir.decode($0, subject: "test")
        }
    }

    func listPlus(
        _ handle: FileHandle? = nil, cookie: UInt64 = 0, verifier: NFS.Verifier = 0, names: UInt32 = 1 << 16,
        count: UInt32 = 1 << 16
    ) throws -> (listing: DirectoryListing, bytes: Int) {
        let arguments = NFS.ReadDirPlus.Arguments(
            handle ?? root, cookie: cookie, verifier: verifier, directoryCount: names, maximumCount: count)
        let bytes = try results(.readDirPlus, XDRCoder.encode(arguments))
        return (try bytes.withUnsafeBytes { try NFS.ReadDirPlus.decode($0, subject: "test") }, bytes.count)
    }
}

extension ExportOptions {
    /// As whoever runs the tests, who may be root.
    static var forWriting: ExportOptions {
        var options = ExportOptions()
        options.readOnly = false
        options.squash = .none
        options.protection = .tls
        return options
    }

    static var forReading: ExportOptions {
        var options = forWriting
        options.readOnly = true
        return options
    }
}

extension Call {
    static func of(_ procedure: NFS.ProcedureNumber) -> Call { number(procedure.rawValue) }

    static func number(_ procedure: UInt32) -> Call {
        Call(
            transaction: transactions.wrappingAdd(1, ordering: .relaxed).newValue, program: NFS.program, version: 3,
            procedure: procedure,
            credential: .system(uid: 0, gid: 0, groups: []), peer: Peer(address: "192.0.2.1:700", protection: .tls))
    }
}

extension NFSProgram {
    func call(_ procedure: NFS.ProcedureNumber, _ arguments: [UInt8]) -> Answer {
        arguments.withUnsafeBytes { call(.of(procedure), arguments: $0) }
    }

    func results(_ procedure: NFS.ProcedureNumber, _ arguments: [UInt8]) throws -> [UInt8] {
        guard case .results(let bytes) = call(procedure, arguments) else {
            throw NFSError(malformed: procedure, "not answered with results")
        }
        return bytes
    }
}

extension MountProgram {
    func results(_ procedure: Mount.ProcedureNumber, _ arguments: [UInt8] = []) -> [UInt8]? {
        guard case .results(let bytes) = arguments.withUnsafeBytes({ call(.number(procedure.rawValue), arguments: $0) })
        else { return nil }
        return bytes
    }

    func mnt(_ path: FileName) throws -> Mount.Mounted? {
        try results(.mnt, Mount.encode(path: path))?.withUnsafeBytes { try Mount.decodeMnt($0, subject: "test") }
    }
}

func status(_ body: () throws -> Void) -> NFSStatus? {
    do {
        try body()
        return nil
    } catch let error as NFSError {
        return error.status
    } catch {
        Issue.record(error)
        return nil
    }
}
