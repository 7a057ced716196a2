import NFS

extension Remote {
    /// `xfer mkdir`: makes a directory.
    ///
    /// - Parameters:
    ///   - path: full, on the server.
    ///   - mode: of the directory, 0...0o7777; nil: 0777 less the umask, as mkdir(1) has it.
    ///   - parents: the directories above it too, where they are missing; one that is there is no failure.
    ///   - made: told of each directory that was made.
    package func makeDirectory(
        _ path: String, mode: UInt32?, parents: Bool, made: @Sendable (_ path: String) -> Void = { _ in }
    ) async throws {
        try checkWritable(path)
        let usual = 0o777 & ~CopyRules.processMask
        guard parents else {
            let place = try await place(path)
            try await make(place, mode ?? usual)
            return made(place.path)
        }
        var at = path
        var missing: [String] = []
        // From below: in a tree that is there, one path is looked up.
        while true {
            do {
                let there = try await find(at)
                guard there.attributes.type == .directory else {
                    throw TransferError(.server, "\(there.path): is there, and no directory")
                }
                break
            } catch let error as NFSError where error.status == .noEntry && !isExport(at) {
                missing.append(at)
                at = at.lastIndex(of: "/").map { String(at[..<$0]) } ?? ""
                if at.isEmpty { at = "/" }
            }
        }
        for path in missing.reversed() {
            let place = try await place(path)
            do {
                // Who makes them must get into them, whatever the umask says: mkdir(1).
                try await make(place, path == missing.first ? mode ?? usual : usual | 0o300)
                made(place.path)
            } catch let error as NFSError where error.status == .exists {
                guard try await lookup(place)?.attributes.type == .directory else { throw error }
            }
        }
    }

    private func make(_ place: Place, _ mode: UInt32) async throws {
        _ = try await session.nfs(
            NFS.MkDir.self, NFS.MkDir.Arguments(place.operation, SetAttributes(mode: mode)), subject: place.path)
    }
}
