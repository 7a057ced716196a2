import NFS
import RPC
import Synchronization

extension MountProgram {
    /// RFC 1813 section 5.2.2.
    func dump() -> Answer {
        let list = server.mounts.withLock { $0.map { Mount.MountEntry(host: $0.host, path: $0.path) } }
        guard let bytes = try? Mount.encode(list) else { return .systemError }
        return .results(bytes)
    }

    /// RFC 1813 section 5.2.5. No groups: the certificates say who may mount, not the addresses.
    func export() -> Answer {
        let list = server.exports.map { Mount.ExportEntry(path: FileName($0.name)) }
        guard let bytes = try? Mount.encode(list) else { return .systemError }
        return .results(bytes)
    }
}
