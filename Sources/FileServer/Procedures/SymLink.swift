import CProtocol
import Glibc
import Kernel
import NFS
import RPC

extension Request {
    /// RFC 1813 section 3.3.10. The text may say anything: the server follows no symbolic link.
    func symLink(_ arguments: UnsafeRawBufferPointer) -> Answer {
        guard let arguments = NFS.SymLink.Arguments.decode(arguments, SYMLINK3args()) else { return .garbageArguments }
        var change: Change?
        do throws(NFSStatus) {
            let found = try server.directory(arguments.target.directory)
            change = try Change(found)
            try requireWritable()
            let name = try arguments.target.name.checked(dots: .exists)
            let text = arguments.text
            guard text.count > 0, !text.bytes.contains(0) else { throw .invalid }
            try nfs { () throws(SystemError) in
                try FileCalls.at("symlinkat", name) { name in
                    text.withCString { symlinkat($0, found.path.raw, name) }
                }
            }
            let made: OpenFile
            do throws(NFSStatus) {
                made = try server.child(name, of: found)
                var attributes = arguments.attributes
                // Linux has neither of a symbolic link.
                attributes.size = nil
                attributes.mode = nil
                try made.set(attributes)
            } catch {
                unlink(name, in: found, 0)
                throw error
            }
            try synchronize(found)
            return answer(
                NFS.SymLink.self,
                .success(
                    .init(object: made.handle, attributes: try? made.attributes(), directory: change.data())))
        } catch {
            return answer(NFS.SymLink.self, .failure(error, change.data()))
        }
    }
}
