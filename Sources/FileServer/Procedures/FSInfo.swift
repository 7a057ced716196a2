import CProtocol
import NFS
import RPC

extension Request {
    /// RFC 1813 section 3.3.19.
    func fsInfo(_ arguments: UnsafeRawBufferPointer) -> Answer {
        guard let handle = FileHandle.decode(arguments, nfs_fh3()) else { return .garbageArguments }
        do throws(NFSStatus) {
            let attributes = try server.file(handle).attributes()
            let transfer = FileServer.transferMaximum
            return answer(
                NFS.FSInfo.self,
                .success(
                    .init(
                        attributes: attributes, readMaximum: transfer, readPreferred: transfer, readMultiple: 4096,
                        writeMaximum: transfer, writePreferred: transfer, writeMultiple: 4096,
                        directoryPreferred: 64 << 10, maximumFileSize: UInt64(Int64.max),
                        timeDelta: NFSTime(seconds: 0 as UInt32, nanoseconds: 1),
                        properties: UInt32(FSF3_LINK | FSF3_SYMLINK | FSF3_HOMOGENEOUS | FSF3_CANSETTIME))))
        } catch {
            return answer(NFS.FSInfo.self, .failure(error, nil))
        }
    }
}
