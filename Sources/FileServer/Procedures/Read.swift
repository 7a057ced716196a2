import CProtocol
import Glibc
import Kernel
import NFS
import RPC

extension Request {
    /// RFC 1813 section 3.3.6. The answer is the results' head and a range of the file, which the transport sends.
    func read(_ arguments: UnsafeRawBufferPointer) -> Answer {
        guard let arguments = NFS.Read.Arguments.decode(arguments, READ3args()) else { return .garbageArguments }
        var file: OpenFile?
        do throws(NFSStatus) {
            let found = try server.file(arguments.file)
            file = found
            try found.requireRegular()
            let attributes = try found.attributes()
            try found.require(.read, as: identity, attributes)
            let reader = try found.reader()
            // Never beyond the end: sendfile would come up short of what the head has promised.
            let left = attributes.size > arguments.offset ? attributes.size - arguments.offset : 0
            let count = min(arguments.count, FileServer.transferMaximum, UInt32(clamping: left))
            if count > 0, count <= Xfer.Capabilities.wholeReadMaximum {
                return try small(found, reader, arguments.offset, Int(count))
            }
            guard
                let head = try? NFS.Read.encode(
                    .init(attributes: attributes, count: count, endOfFile: UInt64(count) == left))
            else { return .systemError }
            return count == 0
                ? .results(head) : .file(head, reader, offset: arguments.offset, count: Int(count))
        } catch {
            guard let bytes = try? NFS.Read.encode(error, try? file?.attributes()) else { return .systemError }
            return .results(bytes)
        }
    }
}

extension Request {
    /// With the data in memory, and the attributes of after the reading: XFER_WHOLEREADS of xfer.x. For so few bytes the
    /// calls that send them from the file cost more than to copy them.
    private func small(
        _ file: OpenFile, _ reader: SharedDescriptor, _ offset: UInt64, _ count: Int
    ) throws(NFSStatus) -> Answer {
        let data = try nfs { () throws(SystemError) in try Files.read(reader.raw, count: count, at: offset) }
        let attributes = try file.attributes()
        guard
            var results = try? NFS.Read.encode(
                .init(
                    attributes: attributes, count: UInt32(clamping: data.count),
                    endOfFile: offset.addingReportingOverflow(UInt64(data.count)).partialValue >= attributes.size))
        else { return .systemError }
        results.reserveCapacity(results.count + data.count + 3)
        results += data
        results += repeatElement(0, count: (4 - data.count % 4) % 4)
        return .results(results)
    }
}

extension FileServer {
    /// Bytes that a READ gives at most: FSINFO's rtmax and rtpref, and wtmax and wtpref for WRITE, although a longer WRITE
    /// is taken. They are in no memory, whole: the more of them, the fewer calls.
    static let transferMaximum: UInt32 = 4 << 20
}

extension OpenFile {
    /// - Throws: NFS3ERR_INVAL, a directory's too: sections 3.3.2, 3.3.6 and 3.3.7 of RFC 1813 list no other error for
    ///   an object that is no regular file.
    func requireRegular() throws(NFSStatus) {
        guard isRegular else { throw .invalid }
    }
}
