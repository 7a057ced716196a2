import NFS
import RPC
import Synchronization

extension MountProgram {
    /// RFC 1813 section 5.2.3.
    func umnt(_ arguments: UnsafeRawBufferPointer, from host: FileName) -> Answer {
        guard let path = Mount.decodePath(arguments) else { return .garbageArguments }
        server.mounts.withLock { $0.removeAll { $0 == MountRecord(host: host, path: path) } }
        return .results([])
    }

    /// RFC 1813 section 5.2.4.
    func umntAll(from host: FileName) -> Answer {
        server.mounts.withLock { $0.removeAll { $0.host == host } }
        return .results([])
    }
}
