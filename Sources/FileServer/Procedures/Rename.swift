import CProtocol
import Glibc
import Kernel
import NFS
import RPC
import SystemPackage

extension Request {
    /// RFC 1813 section 3.3.14.
    func rename(_ arguments: UnsafeRawBufferPointer) -> Answer {
        guard let arguments = NFS.Rename.Arguments.decode(arguments, RENAME3args()) else { return .garbageArguments }
        var (from, to): (OpenFile?, OpenFile?)
        var (fromChange, toChange): (Change?, Change?)
        func data() -> NFS.Rename.Both {
            let data = fromChange.data()
            let isSame = from != nil && from?.identity == to?.identity
            return NFS.Rename.Both(fromDirectory: data, toDirectory: isSame ? data : toChange.data())
        }
        do throws(NFSStatus) {
            let source = try server.directory(arguments.from.directory)
            from = source
            fromChange = try Change(source)
            let target = try server.directory(arguments.to.directory)
            // Nothing is told of it: whether the caller may come to that export was not asked.
            guard source.export === target.export else { throw .crossDevice }
            to = target
            if source.identity != target.identity { toChange = try Change(target) }
            try requireWritable()
            try move(
                arguments.from.name.checked(dots: .invalid), in: source,
                to: arguments.to.name.checked(dots: .invalid), in: target)
            try synchronize(target)
            if source.identity != target.identity { try synchronize(source) }
            return answer(NFS.Rename.self, .success(data()))
        } catch {
            return answer(NFS.Rename.self, .failure(error, data()))
        }
    }

    /// renameat(2), and what the server knows of both names.
    func move(
        _ oldName: FileName, in source: OpenFile, to newName: FileName, in target: OpenFile
    ) throws(NFSStatus) {
        let object = try nfs { () throws(SystemError) in try FileCalls.status(at: source.path.raw, oldName) }
        let replaced = try? FileCalls.status(at: target.path.raw, newName)
        do throws(SystemError) {
            try FileCalls.at("renameat", oldName) { oldName in
                newName.withCString { renameat(source.path.raw, oldName, target.path.raw, $0) }
            }
        } catch {
            switch error.errno {
            // Section 3.3.14 has one error for a target that is of another kind and for one that is not empty.
            case .isDirectory, .notDirectory, .directoryNotEmpty: throw .exists
            default: throw NFSStatus(error.errno)
            }
        }
        if let replaced {
            // Two names of one object: rename(2) has done nothing.
            if Identity(replaced) == Identity(object) { return }
            server.forget(replaced, in: target.export)
        }
        target.export.strategy.moved(Identity(object), to: Place(directory: target.identity, name: newName))
    }
}
