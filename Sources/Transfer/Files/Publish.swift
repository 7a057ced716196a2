import NFS

extension Remote {
    /// Gives a finished temporary its final name, by RENAME.
    ///
    /// Where the reply was lost and the server has not kept it, the call that is sent again finds no temporary: then the
    /// name itself tells whether it was done.
    ///
    /// - Parameter handle: the temporary's.
    func publish(
        _ temporary: FileName, as final: FileName, in directory: FileHandle, _ handle: FileHandle, _ path: String
    ) async throws {
        do {
            _ = try await session.nfs(
                NFS.Rename.self,
                NFS.Rename.Arguments(
                    from: DirectoryOperation(directory, temporary), to: DirectoryOperation(directory, final)),
                subject: path)
        } catch let error as NFSError where error.status == .noEntry {
            let mine = try await attributes(handle, subject: path).attributes
            let there = try? await lookup(final, in: directory, path: path).attributes
            guard let there, there.fileID == mine.fileID, there.fileSystem == mine.fileSystem else { throw error }
        }
    }
}
