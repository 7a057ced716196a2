import CProtocol
import NFS
import RPC

extension Request {
    /// RFC 1813 section 3.3.1.
    func getAttr(_ arguments: UnsafeRawBufferPointer) -> Answer {
        guard let handle = FileHandle.decode(arguments, nfs_fh3()) else { return .garbageArguments }
        do throws(NFSStatus) {
            return answer(NFS.GetAttr.self, .success(try server.file(handle).attributes()))
        } catch {
            return answer(NFS.GetAttr.self, .failure(error, Nothing()))
        }
    }
}
