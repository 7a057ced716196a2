import CProtocol
import Glibc
import Kernel
import NFS
import RPC

extension Request {
    /// RFC 1813 section 3.3.20.
    func pathConf(_ arguments: UnsafeRawBufferPointer) -> Answer {
        guard let handle = FileHandle.decode(arguments, nfs_fh3()) else { return .garbageArguments }
        do throws(NFSStatus) {
            let file = try server.file(handle)
            // fpathconf(3) says -1 where there is no limit, or where it does not know.
            let links = fpathconf(file.path.raw, Int32(_PC_LINK_MAX))
            return answer(
                NFS.PathConf.self,
                .success(
                    .init(
                        attributes: try file.attributes(), linkMaximum: links > 0 ? UInt32(clamping: links) : 127,
                        nameMaximum: UInt32(FileName.limit), noTruncation: true, changeOwnerRestricted: true,
                        caseInsensitive: false, casePreserving: true)))
        } catch {
            return answer(NFS.PathConf.self, .failure(error, nil))
        }
    }
}
