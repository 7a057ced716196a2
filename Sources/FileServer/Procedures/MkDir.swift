import CProtocol
import Glibc
import Kernel
import NFS
import RPC

extension Request {
    /// RFC 1813 section 3.3.9.
    func mkDir(_ arguments: UnsafeRawBufferPointer) -> Answer {
        guard let arguments = NFS.MkDir.Arguments.decode(arguments, MKDIR3args()) else { return .garbageArguments }
        return make(NFS.MkDir.self, arguments.target) { (name, directory) throws(NFSStatus) in
            let mode = mode_t((arguments.attributes.mode ?? 0o700) & 0o7777)
            try nfs { () throws(SystemError) in
                try FileCalls.at("mkdirat", name) { mkdirat(directory.path.raw, $0, mode) }
            }
            return try made(name, in: directory) { (object) throws(NFSStatus) in
                try object.setAsNewDirectory(arguments.attributes)
            }
        }
    }
}

extension OpenFile {
    /// Sets the attributes that MKDIR was given.
    func setAsNewDirectory(_ attributes: SetAttributes) throws(NFSStatus) {
        var attributes = attributes
        attributes.size = nil
        // The set-group-ID bit that it has of its parent stays: who asked for a mode meant the permissions.
        let inherited = UInt32(try status().st_mode & S_ISGID)
        attributes.mode = attributes.mode.map { $0 | inherited }
        try set(attributes)
    }
}
