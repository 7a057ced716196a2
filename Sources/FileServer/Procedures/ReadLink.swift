import CProtocol
import Glibc
import Kernel
import NFS
import RPC

extension Request {
    /// RFC 1813 section 3.3.5.
    func readLink(_ arguments: UnsafeRawBufferPointer) -> Answer {
        guard let handle = FileHandle.decode(arguments, nfs_fh3()) else { return .garbageArguments }
        var file: OpenFile?
        do throws(NFSStatus) {
            let found = try server.file(handle)
            file = found
            guard found.type == S_IFLNK else { throw .invalid }
            var text = [CChar](repeating: 0, count: Int(PATH_MAX))
            let length = try nfs { () throws(SystemError) in
                try systemCall("readlinkat") {
                    text.withUnsafeMutableBufferPointer { buffer in
                        // An empty path: the link that the descriptor stands for.
                        buffer.baseAddress.map { readlinkat(found.path.raw, "", $0, buffer.count) } ?? 0
                    }
                }
            }
            return answer(
                NFS.ReadLink.self,
                .success(
                    .init(
                        attributes: try found.attributes(),
                        text: FileName(text.prefix(length).map { UInt8(bitPattern: $0) }))))
        } catch {
            return answer(NFS.ReadLink.self, .failure(error, try? file?.attributes()))
        }
    }
}
