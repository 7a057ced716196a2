import Kernel
import NFS

/// A directory on a server.
struct RemoteDirectory: Sendable {
    let handle: FileHandle
    let path: String
}

/// The files of a server.
struct RemoteTree: WritableTree {
    let remote: Remote

    typealias Directory = RemoteDirectory
    /// The directory's listing: one call for many names.
    typealias Index = [FileName: Node]
    typealias Location = FileHandle

    func path(_ name: FileName, in directory: RemoteDirectory) -> String { "\(directory.path)/\(name)" }
    func path(_ directory: RemoteDirectory) -> String { directory.path }

    func list(
        _ directory: RemoteDirectory, unreachable: (any Error) throws -> Void,
        _ body: ([(FileName, Node)]) async throws -> Void
    ) async throws {
        try await remote.listPages(directory, unreachable: unreachable, body)
    }

    func prepareListing(_ name: FileName, _ node: Node, in directory: RemoteDirectory) {
        guard let handle = node.handle else { return }
        remote.prepareListing(RemoteDirectory(handle: handle, path: path(name, in: directory)))
    }

    func index(_ directory: RemoteDirectory) async throws -> [FileName: Node] {
        var index: Index = [:]
        try await remote.listPages(directory) { page in
            index.reserveCapacity(index.count + page.count)
            for (name, node) in page { index[name] = node }
        }
        return index
    }

    func find(_ name: FileName, in directory: RemoteDirectory, _ index: Index) -> Node? { index[name] }

    func find(_ name: FileName, in directory: RemoteDirectory) async throws -> Node? {
        do {
            let found = try await remote.lookup(name, in: directory.handle, path: path(name, in: directory))
            return Node(attributes: found.attributes, handle: found.handle)
        } catch let error as NFSError where error.status == .noEntry {
            return nil
        }
    }

    func names(_ directory: RemoteDirectory, _ index: Index) -> [FileName] { Array(index.keys) }

    func attributes(_ directory: RemoteDirectory) async throws -> FileAttributes {
        try await remote.attributes(directory.handle, subject: directory.path).attributes
    }

    func open(_ name: FileName, _ node: Node, in directory: RemoteDirectory) async throws -> RemoteDirectory {
        RemoteDirectory(
            handle: try await handle(name, node, in: directory), path: path(name, in: directory))
    }

    func readLink(_ name: FileName, _ node: Node, in directory: RemoteDirectory) async throws -> FileName {
        try await remote.readLink(
            Remote.Object(
                handle: try await handle(name, node, in: directory), attributes: node.attributes,
                path: path(name, in: directory)))
    }

    /// None: nothing can be known of them here.
    func losses(_ name: FileName, _ node: Node, in directory: RemoteDirectory) -> [NotCarried.Loss] { [] }

    func checksum(_ name: FileName, _ node: Node, in directory: RemoteDirectory) async throws -> FileContent {
        try await remote.content(
            Remote.Object(
                handle: try await handle(name, node, in: directory), attributes: node.attributes,
                path: path(name, in: directory)))
    }

    func makeDirectory(_ name: FileName, in directory: RemoteDirectory) async throws -> RemoteDirectory {
        let path = path(name, in: directory)
        return RemoteDirectory(
            handle: try await remote.makeDirectory(name, in: directory.handle, path: path), path: path)
    }

    func makeLink(
        _ name: FileName, to text: FileName, _ attributes: SetAttributes, in directory: RemoteDirectory
    ) async throws {
        try await remote.makeLink(
            name, to: text, attributes, in: directory.handle, path: path(name, in: directory))
    }

    func identity(_ directory: RemoteDirectory) -> TemporaryClaim.Directory {
        .remote(host: remote.session.host, directory.handle)
    }

    func location(
        _ name: FileName, in directory: RemoteDirectory, path: RelativePath
    ) async throws -> LinkTarget<FileHandle> {
        let found = try await remote.lookup(name, in: directory.handle, path: self.path(name, in: directory))
        return LinkTarget(location: found.handle, fileID: found.attributes.fileID)
    }

    func link(_ location: FileHandle, as name: FileName, in directory: RemoteDirectory) async throws {
        try await remote.link(location, as: name, in: directory.handle, path: path(name, in: directory))
    }

    func remove(_ name: FileName, in directory: RemoteDirectory) async throws {
        _ = try await remote.session.nfs(
            NFS.Remove.self, DirectoryOperation(directory.handle, name), subject: path(name, in: directory))
    }

    func removeDirectory(_ name: FileName, in directory: RemoteDirectory) async throws {
        _ = try await remote.session.nfs(
            NFS.RmDir.self, DirectoryOperation(directory.handle, name), subject: path(name, in: directory))
    }

    func set(
        _ attributes: SetAttributes, of name: FileName, _ node: Node, in directory: RemoteDirectory
    ) async throws {
        var attributes = attributes
        if node.type == .symbolicLink { attributes.mode = nil }
        let handle = try await handle(name, node, in: directory)
        _ = try await remote.session.nfs(
            NFS.SetAttr.self, NFS.SetAttr.Arguments(handle, attributes), subject: path(name, in: directory))
    }

    func set(_ attributes: SetAttributes, of directory: RemoteDirectory) async throws {
        _ = try await remote.session.nfs(
            NFS.SetAttr.self, NFS.SetAttr.Arguments(directory.handle, attributes), subject: directory.path)
    }

    private func handle(
        _ name: FileName, _ node: Node, in directory: RemoteDirectory
    ) async throws -> FileHandle {
        if let handle = node.handle { return handle }
        return try await remote.lookup(name, in: directory.handle, path: path(name, in: directory)).handle
    }
}
