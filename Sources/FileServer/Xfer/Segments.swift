import CProtocol
import Glibc
import Kernel
import NFS
import RPC
import SystemPackage

extension Request {
    /// SEGMENTS of xfer.x, by lseek(2): SEEK_DATA and SEEK_HOLE.
    func segments(_ arguments: UnsafeRawBufferPointer) -> Answer {
        guard let arguments = Xfer.Segments.Arguments.decode(arguments, SEGMENTSargs()) else {
            return .garbageArguments
        }
        var file: OpenFile?
        do throws(NFSStatus) {
            let found = try server.file(arguments.file)
            file = found
            try found.requireRegular()
            let attributes = try found.attributes()
            try found.require(.read, as: identity, attributes)
            guard arguments.count > 0 else { throw .invalid }
            let reader = try found.reader()
            let (segments, isAll) = try nfs { () throws(SystemError) in
                try Self.segments(
                    of: reader, from: arguments.offset, size: attributes.size,
                    most: min(Int(clamping: arguments.count), Xfer.segmentLimit))
            }
            return answer(
                Xfer.Segments.self,
                .success(.init(attributes: try found.attributes(), endOfFile: isAll, segments: segments)))
        } catch {
            return answer(Xfer.Segments.self, .failure(error, try? file?.attributes()))
        }
    }

    /// - Returns: the segments, and whether they are all there are.
    private static func segments(
        of file: SharedDescriptor, from offset: UInt64, size: UInt64, most: Int
    ) throws(SystemError) -> ([Xfer.Segments.Segment], isAll: Bool) {
        guard var position = off_t(exactly: offset), let end = off_t(exactly: size) else { return ([], true) }
        var segments: [Xfer.Segments.Segment] = []
        while position < end {
            if segments.count == most { return (segments, false) }
            // ENXIO: nothing but a hole is left. A file system that knows no holes has data up to the end.
            guard let data = try seek(file, position, Whence.data), data < end else { break }
            let hole = min(end, try seek(file, data, Whence.hole) ?? end)
            // Shorter by now.
            guard hole > data else { break }
            segments.append(.init(offset: UInt64(data), count: UInt64(hole - data)))
            position = hole
        }
        return (segments, true)
    }

    /// What <unistd.h> shows only with _GNU_SOURCE: lseek(2).
    private enum Whence {
        static let data: Int32 = 3
        static let hole: Int32 = 4
    }

    /// The descriptor is everybody's, but nobody goes by its position.
    private static func seek(
        _ file: SharedDescriptor, _ offset: off_t, _ whence: Int32
    ) throws(SystemError) -> off_t? {
        do throws(SystemError) {
            return off_t(try systemCall("lseek") { Int(lseek(file.raw, offset, whence)) })
        } catch {
            if error.errno == .noSuchAddressOrDevice { return nil }
            throw error
        }
    }
}
