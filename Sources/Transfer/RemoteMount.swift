import NFS
import RPC

extension Remote {
    /// Mounts the export that holds `path`.
    ///
    /// A server need not tell what it exports: then the path itself is asked for, and the directories above it.
    ///
    /// - Parameters:
    ///   - ahead: what will be wanted next.
    ///   - mounted: told when MNT was answered, before the first call of NFS.
    /// - Throws: ``TransferError`` or ``MountError`` where no export holds it, naming those there are.
    package static func mount(
        _ session: Session, path: String, ahead: Ahead = [], mounted: @Sendable () -> Void = {}
    ) async throws -> Remote {
        try await mountKnowingExports(session, path: path, ahead: ahead, mounted: mounted).remote
    }

    /// What is asked for together with a mount's first call: over a long path each wait for an answer counts.
    package struct Ahead: OptionSet, Sendable {
        package let rawValue: Int
        package init(rawValue: Int) { self.rawValue = rawValue }

        /// The path's first component, for ``find(_:)``.
        package static let object = Ahead(rawValue: 1)
        /// What ``xfer()`` asks.
        package static let capabilities = Ahead(rawValue: 2)
    }

    /// The same, and what the server tells that it exports.
    static func mountKnowingExports(
        _ session: Session, path: String, ahead: Ahead = [], mounted: @Sendable () -> Void = {}
    ) async throws -> (remote: Remote, exports: [String]) {
        let caller = MountCaller(session)
        defer { caller.close() }
        let guess = caller.isOnNFSPort ? guess(path) : nil
        // Two calls that find no connection would try twice to make one.
        if guess != nil, !session.wasReached { try await session.open() }
        async let early = early(guess, session)
        let exports = try await exports(session, caller)
        let guessed = await early
        let listed = exports.map { $0.path.description }.filter { contains($0, path) }
        var refused: MountError?
        var tried: Set<String> = []
        for export in listed.sorted(by: { $0.utf8.count > $1.utf8.count }) + above(path)
        where tried.insert(export).inserted {
            do {
                let known = export == guess ? guessed : nil
                let root = if let known { try known.get() } else { try await mnt(export, session, caller) }
                mounted()
                let mustBeDirectory = !listed.contains(export)
                if let remote = try await remote(
                    session, export, root, mustBeDirectory: mustBeDirectory, path, ahead)
                {
                    return (remote, exports.map(\.path.description))
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
        return try await caller.call(.mnt, arguments, subject: subject) { results throws(MountError) in
            try Mount.decodeMnt(results, subject: subject)
        }.checkedRoot(subject)
    }

    /// The export that most likely holds a path: its first component. It is asked for beside the list of exports, which
    /// decides; what was mounted for nothing stays among what the server shows of its clients.
    private static func guess(_ path: String) -> String? { path.split(separator: "/").first.map { "/\($0)" } }

    /// MNT of a guess, on the connection that NFS uses.
    ///
    /// - Returns: nil where MOUNT is not there, or the connection is gone.
    private static func early(_ guess: String?, _ session: Session) async -> Result<FileHandle, any Error>? {
        guard let guess else { return nil }
        let subject = "\(session.host):\(guess)"
        do {
            let arguments = try session.encode(subject) { () throws(XDREncodingError) in
                try Mount.encode(path: FileName(guess))
            }
            let reply = try await session.call(
                program: Mount.program, version: Mount.version, procedure: Mount.ProcedureNumber.mnt.rawValue,
                arguments: arguments, subject: subject)
            return .success(
                try reply.results.withUnsafeBytes { try Mount.decodeMnt($0, subject: subject) }.checkedRoot(subject))
        } catch let error as MountError {
            return .failure(error)
        } catch let error as TransferError where error.kind == .server && error.refusal == nil {
            return .failure(error)
        } catch {
            return nil
        }
    }

    /// - Parameter mustBeDirectory: some servers mount a file, or what is no export: nothing above it can be reached.
    /// - Returns: nil where it must be a directory and is none.
    private static func remote(
        _ session: Session, _ export: String, _ root: FileHandle, mustBeDirectory: Bool, _ path: String, _ ahead: Ahead
    ) async throws -> Remote? {
        let subject = "\(session.host):\(export)"
        do {
            if mustBeDirectory {
                let attributes = try await session.nfs(NFS.GetAttr.self, root, subject: subject)
                guard attributes.type == .directory else { return nil }
            }
            let support = XferSupport()
            let asking = Remote(session: session, export: export, root: root, sizes: .unknown, support: support)
            async let first = ahead.contains(.object) ? asking.firstStep(of: path) : nil
            // Where that fails it is asked again, and says why.
            async let capabilities = ahead.contains(.capabilities) ? try? asking.xfer() : nil
            let sizes = TransferSizes(
                try await session.nfs(NFS.FSInfo.self, root, subject: subject), session.options)
            _ = await capabilities
            return Remote(
                session: session, export: export, root: root, sizes: sizes, support: support, first: await first)
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

extension Mount.Mounted {
    /// RFC 1813 section 5.2.1: the flavors that calls on the handle may have. An empty list names none to be kept out.
    fileprivate func checkedRoot(_ subject: String) throws(TransferError) -> FileHandle {
        guard flavors.isEmpty || flavors.contains(where: { [0, 1, 7].contains($0) }) else {
            let list = flavors.map { "\($0)" }.joined(separator: ", ")
            throw TransferError(
                .server, "\(subject): the server wants other credentials than AUTH_SYS (flavors \(list))")
        }
        return root
    }
}
