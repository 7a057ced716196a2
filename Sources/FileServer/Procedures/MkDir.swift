import CProtocol
import Glibc
import Kernel
import NFS
import RPC

extension Request {
    /// RFC 1813 section 3.3.9.
    func mkDir(_ arguments: UnsafeRawBufferPointer) -> Answer {
        guard let arguments = NFS.MkDir.Arguments.decode(arguments, MKDIR3args()) else { return .garbageArguments }
        var change: Change?
        do throws(NFSStatus) {
            let found = try server.directory(arguments.target.directory)
            change = try Change(found)
            try requireWritable()
            let name = try arguments.target.name.checked(dots: .exists)
            let mode = mode_t((arguments.attributes.mode ?? 0o700) & 0o7777)
            try nfs { () throws(SystemError) in
                try FileCalls.at("mkdirat", name) { mkdirat(found.path.raw, $0, mode) }
            }
            let made: OpenFile
            do throws(NFSStatus) {
                made = try server.child(name, of: found)
                try made.setAsNewDirectory(arguments.attributes)
            } catch {
                unlink(name, in: found, FileCalls.removeDirectory)
                throw error
            }
            try synchronize(found)
            return answer(
                NFS.MkDir.self,
                .success(
                    .init(object: made.handle, attributes: try? made.attributes(), directory: change.data())))
        } catch {
            return answer(NFS.MkDir.self, .failure(error, change.data()))
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
