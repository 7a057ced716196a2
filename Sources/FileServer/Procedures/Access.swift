import CProtocol
import Glibc
import NFS
import RPC

extension Request {
    /// RFC 1813 section 3.3.4: what the kernel lets the caller do.
    func access(_ arguments: UnsafeRawBufferPointer) -> Answer {
        guard let arguments = NFS.Access.Arguments.decode(arguments, ACCESS3args()) else { return .garbageArguments }
        do throws(NFSStatus) {
            let file = try server.file(arguments.object)
            var granted: NFS.Access.Rights = []
            if file.permits(R_OK) { granted.insert(.read) }
            // An entry is added or removed by who may write to the directory and search it.
            if file.permits(file.isDirectory ? W_OK | X_OK : W_OK), !caller.options.readOnly {
                granted.formUnion([.modify, .extend])
                // Whether an entry of a directory may be deleted; of a file, its directory decides.
                if file.isDirectory { granted.insert(.delete) }
            }
            if file.permits(X_OK) { granted.insert(file.isDirectory ? .lookup : .execute) }
            return answer(
                NFS.Access.self,
                .success(.init(attributes: try file.attributes(), rights: granted.intersection(arguments.rights))))
        } catch {
            return answer(NFS.Access.self, .failure(error, nil))
        }
    }
}
