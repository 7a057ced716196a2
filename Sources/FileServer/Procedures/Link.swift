import CProtocol
import Glibc
import Kernel
import NFS
import RPC

extension Request {
    /// RFC 1813 section 3.3.15.
    func link(_ arguments: UnsafeRawBufferPointer) -> Answer {
        guard let arguments = NFS.Link.Arguments.decode(arguments, LINK3args()) else { return .garbageArguments }
        var file: OpenFile?
        var change: Change?
        do throws(NFSStatus) {
            let object = try server.file(arguments.file)
            file = object
            let found = try server.directory(arguments.link.directory)
            // Nothing is told of it: whether the caller may come to that export was not asked.
            guard object.export === found.export else { throw .crossDevice }
            change = try Change(found)
            try requireWritable()
            guard !object.isDirectory else { throw .invalid }
            let name = try arguments.link.name.checked(dots: .exists)
            try nfs { () throws(SystemError) in
                try FileCalls.link(object.path.raw, name, in: found.path.raw)
            }
            found.export.strategy.moved(object.identity, to: Place(directory: found.identity, name: name))
            try synchronize(found)
            return answer(
                NFS.Link.self, .success(.init(attributes: try? object.attributes(), directory: change.data())))
        } catch {
            return answer(
                NFS.Link.self,
                .failure(error, .init(attributes: try? file?.attributes(), directory: change.data())))
        }
    }
}
