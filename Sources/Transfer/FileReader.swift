import NFS
import RPC

/// Reads files in order into memory, for `xfer cat`: many READs in flight, and never more than a window of bytes kept.
package struct FileReader: Sendable {
    private let remote: Remote
    /// Bytes of one READ. The reply is in memory as a whole, so it is smaller than a large `rsize`.
    private let piece: UInt64

    /// Bytes of a READ at most.
    private static let largestPiece = 1 << 20
    /// READs that are in flight, or came before those ahead of them.
    private static let window: UInt64 = 16
    /// READs in a row that a server may answer with nothing before it is given up.
    private static let emptyReads = 3

    package init(_ remote: Remote) {
        self.remote = remote
        piece = UInt64(max(1, min(remote.readSize, Self.largestPiece)))
    }

    /// Reads a part of a file.
    ///
    /// - Parameter write: gets the bytes in order. While it takes its time no further READs are made.
    /// - Throws: what `write` throws; ``TransferError`` where `path` is no regular file, or changed while it was read.
    package func read(
        _ path: String, _ part: FilePart, _ write: (ArraySlice<UInt8>) throws -> Void
    ) async throws {
        let source = try await remote.find(path)
        switch source.attributes.type {
        case .regular: break
        case .directory: throw TransferError(.server, "\(source.path): is a directory")
        case .symbolicLink: throw TransferError(.server, "\(source.path): is a symbolic link, which is not followed")
        default: throw TransferError(.server, "\(source.path): is not a regular file")
        }
        let range = part.range(of: source.attributes.size)
        if range.isEmpty { return }
        try await withThrowingTaskGroup(of: (UInt64, ArraySlice<UInt8>).self) { group in
            var asked = range.lowerBound
            var written = range.lowerBound
            var early: [UInt64: ArraySlice<UInt8>] = [:]
            while written < range.upperBound {
                try Task.checkCancellation()
                while asked < range.upperBound, asked - written < Self.window * piece {
                    let next = asked..<(asked + min(piece, range.upperBound - asked))
                    group.addTask { (next.lowerBound, try await read(source, next)) }
                    asked = next.upperBound
                }
                if let bytes = early.removeValue(forKey: written) {
                    try write(bytes)
                    written += UInt64(bytes.count)
                } else if let (offset, bytes) = try await group.next() {
                    early[offset] = bytes
                }
            }
        }
        let now = try await remote.attributes(source.handle, subject: source.path).attributes
        guard now.size == source.attributes.size, now.modificationTime == source.attributes.modificationTime else {
            throw TransferError(.sourceChanged, "\(source.path): changed while it was read")
        }
    }

    /// All bytes of a range, as many READs as the server takes for it.
    private func read(_ source: Remote.Object, _ range: Range<UInt64>) async throws -> ArraySlice<UInt8> {
        var bytes: ArraySlice<UInt8> = []
        var empty = 0
        while UInt64(bytes.count) < range.upperBound - range.lowerBound {
            try Task.checkCancellation()
            let offset = range.lowerBound + UInt64(bytes.count)
            let (more, isEnd) = try await remote.read(source, offset: offset, count: Int(range.upperBound - offset))
            if isEnd && UInt64(bytes.count + more.count) < range.upperBound - range.lowerBound {
                throw TransferError(.sourceChanged, "\(source.path): got shorter while it was read")
            }
            if more.isEmpty {
                empty += 1
                guard empty < Self.emptyReads else {
                    throw TransferError(
                        .server,
                        "\(source.path): the server sends nothing at offset \(offset), nor that the file ends there")
                }
            } else {
                empty = 0
                // Most often all of it, which is not copied then.
                if bytes.isEmpty { bytes = more } else { bytes += more }
            }
        }
        return bytes
    }
}

extension Remote {
    /// READ into memory.
    ///
    /// - Parameter count: bytes, at most 1 MiB: a reply in memory has a limit.
    /// - Returns: bytes that came, `count` at most, and whether the file ends behind them.
    func read(
        _ source: Object, offset: UInt64, count: Int
    ) async throws -> (bytes: ArraySlice<UInt8>, endOfFile: Bool) {
        let arguments = try session.encode(source.path) { () throws(XDREncodingError) in
            try XDRCoder.encode(NFS.Read.Arguments(source.handle, offset: offset, count: UInt32(clamping: count)))
        }
        return try await session.patiently(source.path) {
            let reply = try await session.call(
                procedure: NFS.Read.number.rawValue, arguments: arguments, expected: count, subject: source.path)
            let (header, length) = try reply.results.withUnsafeBytes {
                try NFS.Read.decode($0, subject: source.path)
            }
            let data = reply.results.dropFirst(length)
            guard header.count <= data.count else { throw NFSError(malformed: .read, source.path) }
            guard header.count <= count else {
                throw TransferError(
                    .server, "\(source.path): the server sent \(header.count) bytes where \(count) were asked for")
            }
            return (data.prefix(Int(header.count)), header.endOfFile)
        }
    }
}
