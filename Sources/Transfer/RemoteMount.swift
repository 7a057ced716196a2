import NFS
import RPC

extension Remote {
    /// Mounts the export that holds `path`.
    ///
    /// A server need not tell what it exports: then the path itself is asked for, and the directories above it.
    ///
    /// - Parameter mounted: told when MNT was answered, before the first call of NFS.
    /// - Throws: ``TransferError`` or ``MountError`` where no export holds it, naming those there are.
    package static func mount(
        _ session: Session, path: String, mounted: @Sendable () -> Void = {}
    ) async throws -> Remote {
        let caller = MountCaller(session)
        defer { caller.close() }
        let exports = try await exports(session, caller)
        let listed = exports.map { $0.path.description }.filter { contains($0, path) }
        var refused: MountError?
        var tried: Set<String> = []
        for export in listed.sorted(by: { $0.utf8.count > $1.utf8.count }) + above(path)
        where tried.insert(export).inserted {
            do {
                let root = try await mnt(export, session, caller)
                mounted()
                if let remote = try await remote(session, export, root, mustBeDirectory: !listed.contains(export)) {
                    return remote
                }
            } catch let error as MountError where error.mayBeElsewhere {
                // A listed export that is refused tells more than a guessed one that is not there.
                if refused == nil || (refused?.status == .noEntry && error.status != .noEntry) { refused = error }
            }
        }
        let place = "\(session.host):\(path)"
        if let refused, !listed.isEmpty || (exports.isEmpty && refused.status != .noEntry) {
            throw TransferError(.server, "\(refused)\(hint(refused, session, exports))")
        }
        let names = exports.map { $0.path.description }
        let list = names.isEmpty ? "it lists none" : "it exports \(names.joined(separator: ", "))"
        throw TransferError(.server, "\(place): not in any export of the server (\(list))")
    }

    /// UMNT: tells the server that the export that holds `path` is not used any more, which it lists until then (DUMP).
    package static func unmount(_ session: Session, path: String) async throws {
        let caller = MountCaller(session)
        defer { caller.close() }
        let listed = try await exports(session, caller).map { $0.path.description }.filter { contains($0, path) }
        let export = listed.max { $0.utf8.count < $1.utf8.count } ?? path
        let subject = "\(session.host):\(export)"
        let arguments = try session.encode(subject) { () throws(XDREncodingError) in
            try Mount.encode(path: FileName(export))
        }
        _ = try await caller.call(.umnt, arguments, subject: subject) { _ throws(MountError) in () }
    }

    /// The paths that the server tells that it exports; none where it tells nothing.
    static func exportNames(_ session: Session) async throws -> [String] {
        let caller = MountCaller(session)
        defer { caller.close() }
        return try await exports(session, caller).map(\.path.description)
    }

    /// What the server tells that it exports; nothing where it tells nothing.
    private static func exports(_ session: Session, _ caller: MountCaller) async throws -> [Mount.ExportEntry] {
        do {
            return try await caller.call(.export, [], subject: session.host) { results throws(MountError) in
                try Mount.decodeExports(results, subject: session.host)
            }
        } catch is MountError {
            return []
        } catch let error as TransferError
            where error.refusal == .procedureUnavailable(Mount.ProcedureNumber.export.rawValue)
        {
            return []
        }
    }

    private static func mnt(_ export: String, _ session: Session, _ caller: MountCaller) async throws -> FileHandle {
        let subject = "\(session.host):\(export)"
        let arguments = try session.encode(subject) { () throws(XDREncodingError) in
            try Mount.encode(path: FileName(export))
        }
        let mounted = try await caller.call(.mnt, arguments, subject: subject) { results throws(MountError) in
            try Mount.decodeMnt(results, subject: subject)
        }
        // RFC 1813 section 5.2.1: the flavors that calls on the handle may have. An empty list names none to be kept out.
        guard mounted.flavors.isEmpty || mounted.flavors.contains(where: { [0, 1, 7].contains($0) }) else {
            let list = mounted.flavors.map { "\($0)" }.joined(separator: ", ")
            throw TransferError(
                .server, "\(subject): the server wants other credentials than AUTH_SYS (flavors \(list))")
        }
        return mounted.root
    }

    /// - Parameter mustBeDirectory: some servers mount a file, or what is no export: nothing above it can be reached.
    /// - Returns: nil where it must be a directory and is none.
    private static func remote(
        _ session: Session, _ export: String, _ root: FileHandle, mustBeDirectory: Bool
    ) async throws -> Remote? {
        let subject = "\(session.host):\(export)"
        do {
            if mustBeDirectory {
                let attributes = try await session.nfs(NFS.GetAttr.self, root, subject: subject)
                guard attributes.type == .directory else { return nil }
            }
            let sizes = TransferSizes(
                try await session.nfs(NFS.FSInfo.self, root, subject: subject), session.options)
            return Remote(session: session, export: export, root: root, sizes: sizes)
        } catch let error as NFSError where error.status == .accessDenied || error.status == .notPermitted {
            throw TransferError(
                .server,
                "\(error). The export may want \(wish(session.options)), or a client whose port is below 1024 (root's)")
        }
    }

    /// What may help where MNT was refused.
    private static func hint(_ error: MountError, _ session: Session, _ exports: [Mount.ExportEntry]) -> String {
        guard error.status == .accessDenied || error.status == .notPermitted else { return "" }
        let groups = exports.first { error.subject.hasSuffix(":\($0.path)") }?.groups ?? []
        let list = groups.isEmpty ? "" : ". It is exported to \(groups.map(\.description).joined(separator: ", "))"
        let wanted = wish(session.options)
        return "\(list). The export may want \(wanted), or a client whose port is below 1024 (root's)"
    }

    private static func wish(_ options: MountOptions) -> String {
        options.protection == .mtls ? "another certificate" : "-o xprtsec=mtls"
    }

    static func contains(_ export: String, _ path: String) -> Bool {
        export == "/" || path == export || path.hasPrefix(export + "/")
    }

    /// The path itself and the directories above it, longest first.
    private static func above(_ path: String) -> [String] {
        let components = path.split(separator: "/")
        return (0...components.count).reversed().map { "/" + components.prefix($0).joined(separator: "/") }
    }
}

extension MountError {
    /// A directory above, or another export, may still be had.
    fileprivate var mayBeElsewhere: Bool {
        switch status {
        case .noEntry, .accessDenied, .notPermitted, .notDirectory, .invalid, .nameTooLong: true
        default: false
        }
    }
}
