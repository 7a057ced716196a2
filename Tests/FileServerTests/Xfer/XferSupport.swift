import Glibc
import Kernel
import NFS
import RPC
import Testing

@testable import FileServer

/// A PUT's data and what goes with it.
struct Put {
    var text: String
    var name: FileName = "file"
    var temporary: FileName = ".file.t.xfer"
    var attributes = SetAttributes(mode: 0o640)
    var existing = Xfer.Existing.replace
    var synchronize = true
    /// Nil: another one than all others'.
    var transaction: UInt32?

    init(_ text: String, as name: FileName = "file", _ existing: Xfer.Existing = .replace) {
        self.text = text
        self.name = name
        self.existing = existing
    }
}

extension Fixture {
    /// - Parameter unnamed: whether O_TMPFILE is used.
    static func forXfer(
        unnamed: Bool = true, state: String? = nil, _ change: (inout ExportOptions) -> Void = { _ in }
    ) throws -> Fixture {
        var options = ExportOptions.forWriting
        change(&options)
        let directory = try Directory(in: Directory.memory)
        chmod(directory.path, 0o777)
        return try Fixture(options: options, directory: directory, state: state, unnamedFiles: unnamed)
    }

    var xfer: XferProgram { XferProgram(server) }

    func call(_ procedure: Xfer.ProcedureNumber, transaction: UInt32? = nil) -> Call {
        Call(
            transaction: transaction ?? .random(in: 0 ... .max), program: Xfer.program, version: Xfer.version,
            procedure: procedure.rawValue, credential: credential, peer: peer)
    }

    func answer(_ procedure: Xfer.ProcedureNumber, _ arguments: [UInt8], transaction: UInt32? = nil) -> Answer {
        arguments.withUnsafeBytes { xfer.call(call(procedure, transaction: transaction), arguments: $0) }
    }

    func reply<P: XferProcedure>(
        _: P.Type, _ arguments: P.Arguments, transaction: UInt32? = nil
    ) throws -> P.Reply {
        guard
            case .results(let bytes) = answer(P.number, try XDRCoder.encode(arguments), transaction: transaction),
            let reply = bytes.withUnsafeBytes({ P.decodeReply($0) })
        else { throw NFSError(malformed: P.name, "not answered with results") }
        return reply
    }

    func xfer<P: XferProcedure>(
        _ procedure: P.Type, _ arguments: P.Arguments, transaction: UInt32? = nil
    ) throws -> P.Success {
        switch try reply(procedure, arguments, transaction: transaction) {
        case .success(let success): return success
        case .failure(let status, _): throw NFSError(status, procedure: P.name, "test")
        }
    }

    func begin(_ put: Put) throws -> PayloadStart {
        let count = put.text.utf8.count
        let head = try Xfer.Put.encode(
            .init(
                root, put.name, temporary: put.temporary, attributes: put.attributes, existing: put.existing,
                synchronize: put.synchronize, count: UInt32(count)))
        #expect(
            head.withUnsafeBytes { xfer.payload(procedure: 3, arguments: $0) } == .at(offset: head.count, count: count))
        return head.withUnsafeBytes {
            xfer.begin(call(.put, transaction: put.transaction), arguments: $0, payload: count)
        }
    }

    /// PUT by its payload's way.
    func reply(_ put: Put, failing: SystemError? = nil) throws -> Xfer.Put.Reply {
        let answer: Answer
        switch try begin(put) {
        case .answered(let early): answer = early
        case .write(let target, let finish):
            try ThreadCredentials.perform(as: target.writer, orThrow: { $0 as any Error }) {
                try Files.write(target.file.raw, Array(put.text.utf8), at: target.offset)
            }
            answer = finish(failing)
        }
        guard case .results(let bytes) = answer, let reply = bytes.withUnsafeBytes({ Xfer.Put.decodeReply($0) }) else {
            throw NFSError(malformed: Xfer.Put.name, "test")
        }
        return reply
    }

    @discardableResult
    func put(_ put: Put) throws -> Xfer.Put.Success {
        switch try reply(put) {
        case .success(let success): return success
        case .failure(let status, _): throw NFSError(status, procedure: Xfer.Put.name, "test")
        }
    }

    /// What is in the exported directory.
    var names: Set<String> {
        get throws { Set(try list().entries.map { $0.name.description }).subtracting([".", ".."]) }
    }
}

/// A file of a READFILES's reply.
struct FileRead: Equatable {
    var status: NFSStatus
    var data: [UInt8]
    var attributes: FileAttributes?
}

extension Fixture {
    /// - Parameter object: nil: the root.
    func readFiles(_ files: [FileHandle], object: FileHandle? = nil) throws -> [FileRead] {
        guard case .results(let bytes) = answer(.readFiles, try Xfer.ReadFiles.encode(.init(object ?? root, files)))
        else { throw NFSError(malformed: Xfer.ReadFiles.name, "not answered with results") }
        return try bytes.withUnsafeBytes { results in
            switch Xfer.ReadFiles.decodeReply(results) {
            case .success(let files):
                return files.map {
                    FileRead(status: $0.status, data: Array(results[$0.data]), attributes: $0.attributes)
                }
            case .failure(let status, _): throw NFSError(status, procedure: Xfer.ReadFiles.name, "test")
            case nil: throw NFSError(malformed: Xfer.ReadFiles.name, "test")
            }
        }
    }

    /// PUTFILES's arguments; what the whole call has in common is not each file's.
    ///
    /// - Parameter directories: nil: the root for all.
    func putFilesCall(
        _ puts: [Put], in directories: [FileHandle]? = nil, object: FileHandle? = nil,
        _ existing: Xfer.Existing = .replace, synchronize: Bool = true
    ) throws -> [UInt8] {
        var call = try Xfer.PutFiles.Call(.init(object ?? root, existing: existing, synchronize: synchronize))
        for (index, put) in puts.enumerated() {
            let file = Xfer.PutFiles.File(
                directories?[index] ?? root, put.name, temporary: put.temporary, attributes: put.attributes)
            try Array(put.text.utf8).withUnsafeBytes { try call.append(file, $0) }
        }
        return call.bytes
    }

    func putFiles(
        _ puts: [Put], in directories: [FileHandle]? = nil, object: FileHandle? = nil,
        _ existing: Xfer.Existing = .replace, synchronize: Bool = true, transaction: UInt32? = nil
    ) throws -> [NFSStatus] {
        let call = try putFilesCall(puts, in: directories, object: object, existing, synchronize: synchronize)
        guard case .results(let bytes) = answer(.putFiles, call, transaction: transaction) else {
            throw NFSError(malformed: Xfer.PutFiles.name, "not answered with results")
        }
        switch bytes.withUnsafeBytes({ Xfer.PutFiles.decodeReply($0) }) {
        case .success(let statuses): return statuses
        case .failure(let status, _): throw NFSError(status, procedure: Xfer.PutFiles.name, "test")
        case nil: throw NFSError(malformed: Xfer.PutFiles.name, "test")
        }
    }
}
