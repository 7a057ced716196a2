import CProtocol
import Glibc
import Kernel
import NFS
import RPC

extension Request {
    /// RFC 1813 section 3.3.12.
    func remove(_ arguments: UnsafeRawBufferPointer) -> Answer {
        guard let object = DirectoryOperation.decode(arguments, diropargs3()) else { return .garbageArguments }
        var change: Change?
        do throws(NFSStatus) {
            let found = try server.directory(object.directory)
            change = try Change(found)
            try requireWritable()
            let name = try object.name.checked(dots: .accessDenied)
            let status = try nfs { () throws(SystemError) in try FileCalls.status(at: found.path.raw, name) }
            guard status.st_mode & S_IFMT != S_IFDIR else { throw .isDirectory }
            try nfs { () throws(SystemError) in
                try FileCalls.at("unlinkat", name) { unlinkat(found.path.raw, $0, 0) }
            }
            server.forget(status, in: found.export)
            try synchronize(found)
            return answer(NFS.Remove.self, .success(change.data()))
        } catch {
            return answer(NFS.Remove.self, .failure(error, change.data()))
        }
    }
}

extension FileServer {
    /// A name of an object was removed. With its last name the object goes: descriptors that are kept would hold its
    /// space.
    ///
    /// - Parameter status: as it was while it had the name.
    func forget(_ status: stat, in export: ServedExport) {
        guard status.st_mode & S_IFMT == S_IFDIR || status.st_nlink <= 1 else { return }
        cache.drop(Identity(status))
        export.strategy.removed(Identity(status))
    }
}
