import CProtocol
import Glibc
import Kernel
import NFS
import RPC

extension Request {
    /// RFC 1813 section 3.3.18: fstatvfs(3).
    func fsStat(_ arguments: UnsafeRawBufferPointer) -> Answer {
        guard let handle = FileHandle.decode(arguments, nfs_fh3()) else { return .garbageArguments }
        do throws(NFSStatus) {
            let file = try server.file(handle)
            var system = statvfs()
            try nfs { () throws(SystemError) in _ = try systemCall("fstatvfs") { fstatvfs(file.path.raw, &system) } }
            let unit = UInt64(system.f_frsize)
            func bytes(_ blocks: fsblkcnt_t) -> UInt64 {
                let (product, overflow) = UInt64(blocks).multipliedReportingOverflow(by: unit)
                return overflow ? .max : product
            }
            return answer(
                NFS.FSStat.self,
                .success(
                    .init(
                        attributes: try file.attributes(), totalBytes: bytes(system.f_blocks),
                        freeBytes: bytes(system.f_bfree), availableBytes: bytes(system.f_bavail),
                        totalFiles: UInt64(system.f_files), freeFiles: UInt64(system.f_ffree),
                        availableFiles: UInt64(system.f_favail), invariantSeconds: 0)))
        } catch {
            return answer(NFS.FSStat.self, .failure(error, nil))
        }
    }
}
