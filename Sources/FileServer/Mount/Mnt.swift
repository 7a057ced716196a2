import Logging
import NFS
import RPC
import Synchronization

extension MountProgram {
    /// RFC 1813 section 5.2.1: the handle of an export's root, or of a directory beneath it.
    func mnt(_ arguments: UnsafeRawBufferPointer, _ call: Call, from host: FileName) -> Answer {
        guard let path = Mount.decodePath(arguments) else { return .garbageArguments }
        let reply: Result<Mount.Mounted, MountError>
        do throws(NFSStatus) {
            let directory = try resolve(path, call)
            remember(MountRecord(host: host, path: path))
            // AUTH_SYS and AUTH_NONE
            reply = .success(Mount.Mounted(root: directory.handle, flavors: [1, 0]))
        } catch {
            reply = .failure(MountError(Mount.Status(error), .mnt, path.description))
        }
        guard let bytes = try? Mount.encodeMnt(reply) else { return .systemError }
        return .results(bytes)
    }

    /// The directory that a path names: the export with the longest name that the path begins with, then step by step.
    /// Not a path of this machine's: `/export/name` exists here no more than on the client.
    private func resolve(_ path: FileName, _ call: Call) throws(NFSStatus) -> OpenFile {
        let slash = UInt8(ascii: "/")
        guard path.bytes.first == slash else { throw .noEntry }
        let steps = path.bytes.split(separator: slash).map { FileName($0) }.filter { $0 != "." }
        guard !steps.contains("..") else { throw .accessDenied }
        let matches = server.exports.compactMap { export -> (export: ServedExport, depth: Int)? in
            let name = export.name.utf8.split(separator: slash).map { FileName($0) }
            return steps.starts(with: name) ? (export, name.count) : nil
        }
        guard let best = matches.max(by: { $0.depth < $1.depth }) else { throw .noEntry }
        try admit(call, to: best.export)
        var directory = try server.root(best.export)
        for step in steps.dropFirst(best.depth) {
            directory = try server.child(step.checked(dots: .accessDenied), of: directory)
            guard directory.isDirectory else { throw .notDirectory }
        }
        return directory
    }

    /// A client that may not use the export gets no handle either; nor does one whose calls with it would be refused.
    private func admit(_ call: Call, to export: ServedExport) throws(NFSStatus) {
        if call.peer.protection == .none, export.current?.allowsCleartextMount(from: call.peer) ?? false { return }
        switch export.admit(call) {
        case .admitted: return
        case .refused(let status): throw status == .stale ? .noEntry : status
        case .denied(_, let reason):
            server.log.warning(
                "a mount is refused", metadata: ["peer": "\(call.peer.address)", "reason": "\(reason)"])
            throw .accessDenied
        }
    }

    /// For DUMP, which is for people: bounded, and no promise.
    private func remember(_ record: MountRecord) {
        server.mounts.withLock { mounts in
            guard !mounts.contains(record) else { return }
            if mounts.count >= 1024 { mounts.removeFirst() }
            mounts.append(record)
        }
    }
}
