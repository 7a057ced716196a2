package import NFS

/// What a server tells of the file system that holds an object, for `xfer stat -f`.
package struct FileSystemNumbers: Sendable {
    package let object: Remote.Object
    package let space: NFS.FSStat.Success
    package let limits: NFS.FSInfo.Success
    /// Nil where the server has no PATHCONF for it.
    package let names: NFS.PathConf.Success?

    /// FSSTAT, FSINFO and PATHCONF, RFC 1813 sections 3.3.18 to 3.3.20.
    package static func read(_ remote: Remote, path: String) async throws -> FileSystemNumbers {
        let object = try await remote.find(path)
        let session = remote.session
        return FileSystemNumbers(
            object: object,
            space: try await session.nfs(NFS.FSStat.self, object.handle, subject: object.path),
            limits: try await session.nfs(NFS.FSInfo.self, object.handle, subject: object.path),
            names: try? await session.nfs(NFS.PathConf.self, object.handle, subject: object.path))
    }
}
