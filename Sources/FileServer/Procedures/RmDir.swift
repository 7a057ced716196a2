import CProtocol
import Glibc
import Kernel
import NFS
import RPC

extension Request {
    /// RFC 1813 section 3.3.13, which has NFS3ERR_INVAL for "." and NFS3ERR_EXIST for "..".
    func rmDir(_ arguments: UnsafeRawBufferPointer) -> Answer {
        guard let object = DirectoryOperation.decode(arguments, diropargs3()) else { return .garbageArguments }
        var change: Change?
        do throws(NFSStatus) {
            let found = try server.directory(object.directory)
            change = try Change(found)
            try requireWritable()
            let name = try object.name.checked(dots: object.name == "." ? .invalid : .exists)
            let status = try nfs { () throws(SystemError) in try FileCalls.status(at: found.path.raw, name) }
            guard status.st_mode & S_IFMT == S_IFDIR else { throw .notDirectory }
            try nfs { () throws(SystemError) in
                try FileCalls.at("unlinkat", name) { unlinkat(found.path.raw, $0, FileCalls.removeDirectory) }
            }
            server.forget(status, in: found.export)
            try synchronize(found)
            return answer(NFS.RmDir.self, .success(change.data()))
        } catch {
            return answer(NFS.RmDir.self, .failure(error, change.data()))
        }
    }
}
