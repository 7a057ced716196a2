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

    /// RFC 1813 section 5.2.5.
    func export() -> Answer {
        let list = server.exports.compactMap { $0.current }.map {
            Mount.ExportEntry(path: FileName($0.name), groups: $0.groups.map { FileName($0) })
        }
        guard let bytes = try? Mount.encode(list) else { return .systemError }
        return .results(bytes)
    }
}
