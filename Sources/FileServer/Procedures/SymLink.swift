import CProtocol
import Glibc
import Kernel
import NFS
import RPC

extension Request {
    /// RFC 1813 section 3.3.10. The text may say anything: the server follows no symbolic link.
    func symLink(_ arguments: UnsafeRawBufferPointer) -> Answer {
        guard let arguments = NFS.SymLink.Arguments.decode(arguments, SYMLINK3args()) else { return .garbageArguments }
        return make(NFS.SymLink.self, arguments.target) { (name, directory) throws(NFSStatus) in
            let text = arguments.text
            guard text.count > 0, !text.bytes.contains(0) else { throw .invalid }
            try nfs { () throws(SystemError) in
                try FileCalls.at("symlinkat", name) { name in
                    text.withCString { symlinkat($0, directory.path.raw, name) }
                }
            }
            return try made(name, in: directory) { (object) throws(NFSStatus) in
                var attributes = arguments.attributes
                // Linux has neither of a symbolic link.
                attributes.size = nil
                attributes.mode = nil
                try object.set(attributes)
            }
        }
    }
}
