import CProtocol
import Glibc
import Kernel
import NFS
import RPC
import SystemPackage

extension NFSProgram {
    /// RFC 1813 section 3.3.14.
    func rename(_ arguments: UnsafeRawBufferPointer) -> Answer {
        guard let arguments = NFS.Rename.Arguments.decode(arguments, RENAME3args()) else { return .garbageArguments }
        var (from, to): (OpenFile?, OpenFile?)
        var (fromData, toData) = (WeakCacheData(), WeakCacheData())
        do throws(NFSStatus) {
            let source = try server.directory(arguments.from.directory)
            from = source
            fromData = try before(source)
            let target = try server.directory(arguments.to.directory)
            to = target
            toData = try before(target)
            guard source.export === target.export else { throw .crossDevice }
            guard !source.export.export.readOnly else { throw .readOnly }
            try move(
                arguments.from.name.checked(dots: .invalid), in: source,
                to: arguments.to.name.checked(dots: .invalid), in: target)
            try server.synchronize(target)
            if source.identity != target.identity { try server.synchronize(source) }
            return answer(
                NFS.Rename.self,
                .success(.init(fromDirectory: fromData.after(source), toDirectory: toData.after(target))))
        } catch {
            return answer(
                NFS.Rename.self,
                .failure(error, .init(fromDirectory: fromData.after(from), toDirectory: toData.after(to))))
        }
    }

    private func move(
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
            // The target is a directory and the source is not, or the other way round: "NFS3ERR_EXIST".
            case .isDirectory, .notDirectory: throw .exists
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
