import NFS

extension Remote {
    /// Where a file has data from `offset` on, in its order, as the server's file system knows it: SEGMENTS. All else
    /// of it reads as zeros.
    ///
    /// - Parameters:
    ///   - most: segments at which to stop; 16 bytes of memory each.
    /// - Returns: the segments, and where to go on, no further than the file's end: nil where the last one is the file's last. Nil altogether where the
    ///   server has no XFER.
    /// - Throws: ``NFSError``.
    package func segments(
        of file: Object, from offset: UInt64 = 0, most: Int = 65536
    ) async throws -> (segments: [Range<UInt64>], next: UInt64?)? {
        guard let capabilities = try await xfer() else { return nil }
        var segments: [Range<UInt64>] = []
        var next = offset
        while segments.count < most {
            let reply = try await xfer(
                Xfer.Segments.self, .init(file.handle, offset: next, count: capabilities.segmentMaximum),
                subject: file.path)
            for segment in reply.segments {
                let (end, overflow) = segment.offset.addingReportingOverflow(segment.count)
                // Each one behind the last, and none of them empty: so this ends.
                guard !overflow, segment.offset >= next, end > segment.offset else {
                    throw NFSError(malformed: Xfer.Segments.name, file.path)
                }
                segments.append(segment.offset..<end)
                next = end
            }
            if reply.endOfFile { return (segments, nil) }
            guard !reply.segments.isEmpty else { throw NFSError(malformed: Xfer.Segments.name, file.path) }
        }
        // The file may have grown, or the server lies.
        return (segments, min(next, max(offset, file.attributes.size)))
    }
}
