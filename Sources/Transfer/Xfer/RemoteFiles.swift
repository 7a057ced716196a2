import NFS
import RPC

/// What a READFILES brought.
struct FilesRead: Sendable {
    fileprivate let results: [UInt8]
    fileprivate let files: [Xfer.ReadFiles.File]

    /// One of the files that were asked for, by its place among them.
    ///
    /// - Parameter body: gets all its bytes, and its attributes of after they were taken from it.
    /// - Returns: nil where the server has not given it, for whatever reason: READ will tell.
    func withFile<R>(
        _ index: Int, _ body: (UnsafeRawBufferPointer, FileAttributes) throws -> R
    ) rethrows -> R? {
        guard index < files.count, files[index].status == .ok, let attributes = files[index].attributes else {
            return nil
        }
        let range = files[index].data
        return try results.withUnsafeBytes { try body(UnsafeRawBufferPointer(rebasing: $0[range]), attributes) }
    }
}

extension Remote {
    /// Small files, each whole, in one call: READFILES.
    ///
    /// - Parameters:
    ///   - files: at most ``Xfer/filesLimit``.
    ///   - bytes: that they have together, as far as is known.
    ///   - subject: for messages.
    func readFiles(_ files: [FileHandle], bytes: Int, subject: String) async throws -> FilesRead {
        let arguments = try session.encode(subject) { () throws(XDREncodingError) in
            try Xfer.ReadFiles.encode(.init(root, files))
        }
        return try await session.patiently(subject) {
            let reply = try await session.call(
                program: Xfer.program, version: Xfer.version, procedure: Xfer.ReadFiles.number.rawValue,
                arguments: arguments, expected: bytes, subject: subject, isLong: true)
            switch reply.results.withUnsafeBytes({ Xfer.ReadFiles.decodeReply($0) }) {
            case .success(let read):
                guard read.count <= files.count else { throw NFSError(malformed: Xfer.ReadFiles.name, subject) }
                return FilesRead(results: reply.results, files: read)
            case .failure(let status, _): throw NFSError(status, procedure: Xfer.ReadFiles.name, subject)
            case nil: throw NFSError(malformed: Xfer.ReadFiles.name, subject)
            }
        }
    }

    /// Small files, each whole, in one call: PUTFILES. Each has its name only when all of it is there.
    ///
    /// - Parameters:
    ///   - call: what to put.
    ///   - bytes: of data in it.
    ///   - subject: for messages.
    /// - Returns: what became of each.
    func putFiles(_ call: Xfer.PutFiles.Call, bytes: Int, subject: String) async throws -> [NFSStatus] {
        try await session.patiently(subject) {
            let reply = try await session.call(
                program: Xfer.program, version: Xfer.version, procedure: Xfer.PutFiles.number.rawValue,
                arguments: call.bytes, expected: bytes, subject: subject, isLong: true)
            switch reply.results.withUnsafeBytes({ Xfer.PutFiles.decodeReply($0) }) {
            case .success(let statuses):
                guard statuses.count == call.count else { throw NFSError(malformed: Xfer.PutFiles.name, subject) }
                return statuses
            case .failure(let status, _): throw NFSError(status, procedure: Xfer.PutFiles.name, subject)
            case nil: throw NFSError(malformed: Xfer.PutFiles.name, subject)
            }
        }
    }
}
