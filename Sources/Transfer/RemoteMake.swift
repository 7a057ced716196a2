import NFS

extension Remote {
    /// MKDIR; a directory that is there is as good.
    func makeDirectory(_ name: FileName, in directory: FileHandle, path: String) async throws -> FileHandle {
        let place = DirectoryOperation(directory, name)
        do {
            let created = try await session.nfs(
                NFS.MkDir.self, NFS.MkDir.Arguments(place, SetAttributes(mode: 0o700)), subject: path)
            if let object = created.object { return object }
        } catch let error as NFSError where error.status == .exists {
            let there = try await lookup(name, in: directory, path: path)
            guard there.attributes.type == .directory else { throw error }
            return there.handle
        }
        return try await lookup(name, in: directory, path: path).handle
    }

    /// A symbolic link in place of what has the name now, which is never a directory.
    func makeLink(
        _ name: FileName, to text: FileName, _ attributes: SetAttributes, in directory: FileHandle, path: String
    ) async throws {
        try await replace(name, in: directory, path: path) { place in
            let made = try await session.nfs(
                NFS.SymLink.self, NFS.SymLink.Arguments(place, attributes, text: text), subject: path)
            if let object = made.object { return object }
            return try await lookup(place.name, in: directory, path: path).handle
        }
    }

    /// Another name for a file, in place of what has the name now, which is never a directory.
    func link(_ file: FileHandle, as name: FileName, in directory: FileHandle, path: String) async throws {
        try await replace(name, in: directory, path: path) { place in
            _ = try await session.nfs(NFS.Link.self, NFS.Link.Arguments(file, link: place), subject: path)
            return file
        }
    }

    /// Puts something new in place of what has the name now, in one step.
    ///
    /// - Parameter make: makes it under the temporary name that it is given.
    private func replace(
        _ name: FileName, in directory: FileHandle, path: String,
        _ make: (DirectoryOperation) async throws -> FileHandle
    ) async throws {
        let claim = TemporaryClaim(name, in: .remote(host: session.host, directory))
        let place = DirectoryOperation(directory, claim.name)
        do {
            let handle: FileHandle
            do {
                handle = try await make(place)
            } catch let error as NFSError where error.status == .exists {
                // An earlier run has left it.
                _ = try await session.nfs(NFS.Remove.self, place, subject: path)
                handle = try await make(place)
            }
            try await publish(claim.name, as: name, in: directory, handle, path)
            // RENAME does nothing where both are names of one file.
            let attributes = try await attributes(handle, subject: path).attributes
            if attributes.linkCount > 1 { try await removeIfThere(place, path) }
        } catch {
            _ = try? await session.nfs(NFS.Remove.self, place, subject: path)
            throw error
        }
    }

    private func removeIfThere(_ place: DirectoryOperation, _ path: String) async throws {
        do {
            _ = try await session.nfs(NFS.Remove.self, place, subject: path)
        } catch let error as NFSError where error.status == .noEntry {
            // As it should be.
        }
    }
}
