import Glibc
import Kernel
import NFS
import RPC

extension Request {
    /// What CREATE, MKDIR, SYMLINK and MKNOD have in common: a new name in a directory that may be changed.
    func make<P: NFSProcedure>(
        _: P.Type, _ target: DirectoryOperation,
        _ object: (FileName, OpenFile) throws(NFSStatus) -> OpenFile
    ) -> Answer where P.Success == NFS.Created, P.Failure == WeakCacheData {
        var change: Change?
        do throws(NFSStatus) {
            let directory = try server.directory(target.directory)
            change = try Change(directory)
            try requireWritable()
            let object = try object(target.name.checked(dots: .exists), directory)
            try synchronize(directory)
            return answer(
                P.self,
                .success(
                    .init(object: object.handle, attributes: try? object.attributes(), directory: change.data())))
        } catch {
            return answer(P.self, .failure(error, change.data()))
        }
    }

    /// What was just made by `name`, with the attributes that `set` gives it. Where that fails the client is told that
    /// there is nothing, so there is nothing.
    func made(
        _ name: FileName, in directory: OpenFile, _ set: (OpenFile) throws(NFSStatus) -> Void
    ) throws(NFSStatus) -> OpenFile {
        do throws(NFSStatus) {
            let object = try server.child(name, of: directory)
            try set(object)
            return object
        } catch {
            unlink(name, in: directory)
            throw error
        }
    }

    /// Takes back what was just made. That this can fail too changes nothing for the client.
    func unlink(_ name: FileName, in directory: OpenFile) {
        for flags in [0, FileCalls.removeDirectory] {
            if (try? FileCalls.at("unlinkat", name, { unlinkat(directory.path.raw, $0, flags) })) != nil { return }
        }
    }
}
