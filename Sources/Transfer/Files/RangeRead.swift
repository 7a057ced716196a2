import Kernel
import NFS

extension Remote {
    /// READs in a row that a server may answer with nothing before it is given up.
    private static let emptyReads = 3

    /// Reads a range into a file at the same offsets, by as many READs as the server takes for it.
    ///
    /// - Parameter moved: told of the bytes of each.
    /// - Returns: what the only READ said of the file; nil where it took several.
    @discardableResult
    func readRange(
        _ source: Object, _ range: Range<UInt64>, into file: SharedDescriptor, named localName: String,
        _ moved: (Int) -> Void
    ) async throws -> FileAttributes? {
        var only: FileAttributes?
        var offset = range.lowerBound
        var empty = 0
        while offset < range.upperBound {
            let header = try await read(
                source, offset: offset, count: Int(clamping: range.upperBound - offset), into: file,
                named: localName)
            guard header.count > 0 else {
                guard !header.endOfFile else {
                    throw TransferError(.sourceChanged, "\(source.path): got shorter while it was read")
                }
                empty += 1
                guard empty < Self.emptyReads else {
                    throw TransferError(
                        .server,
                        "\(source.path): the server sends nothing at offset \(offset), nor that the file ends there")
                }
                continue
            }
            empty = 0
            only = offset == range.lowerBound && header.count == range.count ? header.attributes : nil
            offset += UInt64(header.count)
            moved(Int(header.count))
        }
        return only
    }
}
