package import NFS

/// `xfer ls`: what is in a directory, or the file itself.
package struct Listing: Sendable {
    package let name: FileName
    package let attributes: FileAttributes
    /// Where a symbolic link points.
    package let link: FileName?

    /// - Returns: the entries by name.
    package static func read(_ remote: Remote, path: String) async throws -> [Listing] {
        let object = try await remote.find(path)
        guard object.attributes.type == .directory else {
            let name = path.split(separator: "/").last.map(String.init) ?? "/"
            return [try await entry(remote, FileName(name), object)]
        }
        var entries: [Listing] = []
        try await remote.list(object) { name, object in entries.append(try await entry(remote, name, object)) }
        return entries.sorted { $0.name.bytes.lexicographicallyPrecedes($1.name.bytes) }
    }

    private static func entry(_ remote: Remote, _ name: FileName, _ object: Remote.Object) async throws -> Listing {
        let isLink = object.attributes.type == .symbolicLink
        return Listing(
            name: name, attributes: object.attributes, link: isLink ? try? await remote.readLink(object) : nil)
    }
}
