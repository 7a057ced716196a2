import NFS

extension Remote {
    /// A name in a directory of the server.
    struct Place: Sendable {
        let directory: Object
        let name: FileName
        /// Of what has the name or would have it, for messages.
        let path: String

        var operation: DirectoryOperation { DirectoryOperation(directory.handle, name) }
    }

    /// Whether `path` is the mounted export itself, which has no name in a directory that could be had.
    package func isExport(_ path: String) -> Bool { path == export }

    /// The directory and the name that `path` consists of.
    ///
    /// - Throws: ``TransferError`` where it is the export itself; ``NFSError`` naming the component that fails.
    func place(_ path: String) async throws -> Place {
        guard !isExport(path), let slash = path.lastIndex(of: "/") else {
            throw TransferError(
                .server, "\(session.host):\(path): is what the server exports, and stays where it is")
        }
        let above = path[..<slash]
        let directory = try await find(above.isEmpty ? "/" : String(above))
        guard directory.attributes.type == .directory else {
            throw TransferError(.server, "\(directory.path): is not a directory")
        }
        return Place(
            directory: directory, name: FileName(String(path[path.index(after: slash)...])),
            path: "\(session.host):\(path)")
    }

    /// What has the name; nil where nothing has.
    func lookup(_ place: Place) async throws -> Object? {
        do {
            return try await lookup(place.name, in: place.directory.handle, path: place.path)
        } catch let error as NFSError where error.status == .noEntry {
            return nil
        }
    }

    /// - Throws: ``TransferError`` where it is mounted `ro`.
    func checkWritable(_ path: String) throws(TransferError) {
        if session.options.readOnly {
            throw TransferError(.server, "\(session.host):\(path): mounted read-only (-o ro)")
        }
    }
}
