import CProtocol
import Glibc
import Kernel
import NFS
import RPC

extension Request {
    /// RFC 1813 section 3.3.3. A symbolic link is looked up itself and never followed.
    func lookup(_ arguments: UnsafeRawBufferPointer) -> Answer {
        guard let what = DirectoryOperation.decode(arguments, diropargs3()) else { return .garbageArguments }
        var directory: OpenFile?
        do throws(NFSStatus) {
            let found = try server.directory(what.directory)
            directory = found
            let name = try what.name.checked(dots: nil)
            let object: OpenFile =
                switch name {
                case ".": found
                case "..": try server.parent(of: found)
                default: try server.child(name, of: found)
                }
            return answer(
                NFS.Lookup.self,
                .success(
                    .init(
                        object: object.handle, attributes: try? object.attributes(),
                        directory: try? found.attributes())))
        } catch {
            return answer(NFS.Lookup.self, .failure(error, try? directory?.attributes()))
        }
    }
}

extension FileServer {
    /// The directory above, never above the export: the root's parent is the root.
    ///
    /// - Throws: NFS3ERR_ACCES where the thread's user may not search the directory.
    func parent(of directory: OpenFile) throws(NFSStatus) -> OpenFile {
        if directory.isRoot { return directory }
        guard directory.permits(X_OK) else { throw .accessDenied }
        // The way up leads through directories that may be nobody's but the server's.
        return try ThreadCredentials.asProcess { () throws(NFSStatus) in try climb(from: directory) }
    }

    private func climb(from directory: OpenFile) throws(NFSStatus) -> OpenFile {
        let export = directory.export
        let parent = try above(directory.path.raw)
        // A directory that was moved out of the export keeps its handle; what is above it then is not the client's. So
        // the way up has to come by the root. A path has at most 4096 bytes, two to a step.
        var current = try nfs { () throws(SystemError) in try parent.duplicate() }
        for _ in 0..<2048 {
            let here = try identity(current.raw)
            if here == export.rootIdentity { return try keep(parent, export, at: nil) }
            let next = try above(current.raw)
            // The root of everything is its own parent.
            if try identity(next.raw) == here { break }
            current = next
        }
        throw .accessDenied
    }

    private func above(_ directory: Int32) throws(NFSStatus) -> Descriptor {
        try nfs { () throws(SystemError) in try Files.open(at: directory, "..", FileCalls.path | O_DIRECTORY) }
    }

    private func identity(_ descriptor: Int32) throws(NFSStatus) -> Identity {
        try nfs { () throws(SystemError) in Identity(try Files.status(descriptor)) }
    }
}
