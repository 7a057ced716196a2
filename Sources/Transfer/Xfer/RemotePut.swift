import CLinux
package import Glibc
package import Kernel
package import NFS

/// What a PUT made.
package struct RemotePut: Sendable {
    package let handle: FileHandle
    /// Nil where the server does not tell.
    package let attributes: FileAttributes?
}

/// A file at this end that is to go in one call.
package struct SmallSource: Sendable {
    package let file: SharedDescriptor
    /// As it was when it was opened: a file that is otherwise after it was read is not sent.
    package let status: stat
    /// For messages.
    package let name: String

    package init(_ file: SharedDescriptor, _ status: stat, name: String) {
        self.file = file
        self.status = status
        self.name = name
    }
}

extension Remote {
    /// A whole small file in one call, under its name only when all of it is there: PUT.
    ///
    /// The file is read into memory first and then looked at again, so that none is sent that changed meanwhile.
    ///
    /// - Parameters:
    ///   - source: a regular file of at most ``XferCapabilities/putMaximum`` bytes.
    ///   - name: its name in `directory`; `path` is the two of them, for messages.
    ///   - temporary: a name in `directory` that the server may use. It stays only where the server is killed.
    ///   - attributes: without a size.
    ///   - existing: what becomes of a file that has the name. Kept, the call fails with NFS3ERR_EXIST.
    ///   - synchronize: whether all of it is on the server's disk before this returns.
    /// - Throws: ``TransferError`` with `sourceChanged` or `local`; ``NFSError``.
    package func put(
        _ source: SmallSource, in directory: FileHandle, _ name: FileName, path: String, temporary: FileName,
        attributes: SetAttributes, existing: Xfer.Existing = .replace, synchronize: Bool = true
    ) async throws -> RemotePut {
        let data = try source.read()
        var arguments = try session.encode(path) { () throws(XDREncodingError) in
            try Xfer.Put.encode(
                .init(
                    directory, name, temporary: temporary, attributes: attributes, existing: existing,
                    synchronize: synchronize, count: UInt32(clamping: data.count)))
        }
        arguments += data
        arguments += [UInt8](repeating: 0, count: (4 - data.count % 4) % 4)
        let encoded = arguments
        return try await session.patiently(path) {
            let reply = try await xferReply(
                Xfer.Put.self, encoded, carrying: data.count, subject: path, isLong: data.count >= Self.longPut)
            switch reply {
            case .success(let success): return RemotePut(handle: success.file, attributes: success.attributes)
            case .failure(let status, _): throw NFSError(status, procedure: Xfer.Put.name, path)
            }
        }
    }

    /// Bytes from which on a PUT goes over any of the connections.
    private static let longPut = 64 << 10
}

extension SmallSource {
    /// All of it.
    ///
    /// - Throws: ``TransferError`` with `sourceChanged` or `local`.
    func read() throws(TransferError) -> [UInt8] {
        let size = Int(clamping: status.st_size)
        let (data, after): ([UInt8], stat)
        do throws(SystemError) {
            data = try Files.read(file.raw, count: size, at: 0)
            after = try Files.status(file.raw)
        } catch {
            throw TransferError(.local, "\(name): \(error.errno)")
        }
        guard data.count == size, after.st_size == status.st_size, after.st_mtim.tv_sec == status.st_mtim.tv_sec,
            after.st_mtim.tv_nsec == status.st_mtim.tv_nsec
        else { throw TransferError(.sourceChanged, "\(name): changed while it was read") }
        return data
    }
}
