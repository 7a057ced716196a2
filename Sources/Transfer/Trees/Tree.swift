import Checksums
import NFS

/// An object as either side of a copy knows it.
struct Node: Sendable {
    let attributes: FileAttributes
    /// Where it is on a server.
    let handle: FileHandle?

    var type: FileType { attributes.type }
}

/// One side of a copy: what is on this machine, or on a server.
///
/// All names are one component. Nothing follows a symbolic link. Errors name the object and the reason.
protocol Tree: Sendable {
    associatedtype Directory: Sendable
    /// What was in a directory when it was opened, found by name.
    associatedtype Index: Sendable

    /// For messages.
    func path(_ name: FileName, in directory: Directory) -> String
    func path(_ directory: Directory) -> String

    /// All entries but `.` and `..`, each once.
    ///
    /// - Parameters:
    ///   - unreachable: told of an entry whose attributes cannot be had; what it throws ends the listing.
    ///   - body: gets some of them at a time.
    func list(
        _ directory: Directory, unreachable: (any Error) throws -> Void,
        _ body: ([(FileName, Node)]) async throws -> Void) async throws

    /// A directory will be listed soon.
    func prepareListing(_ name: FileName, _ node: Node, in directory: Directory)

    func index(_ directory: Directory) async throws -> Index
    /// - Returns: nil where there is no such name.
    func find(_ name: FileName, in directory: Directory, _ index: Index) throws -> Node?
    /// The same, of a directory that nothing else in is looked for.
    func find(_ name: FileName, in directory: Directory) async throws -> Node?
    /// All names but `.` and `..`.
    func names(_ directory: Directory, _ index: Index) throws -> [FileName]

    func attributes(_ directory: Directory) async throws -> FileAttributes
    func open(_ name: FileName, _ node: Node, in directory: Directory) async throws -> Directory
    func readLink(_ name: FileName, _ node: Node, in directory: Directory) async throws -> FileName
    /// What NFS version 3 cannot say of it.
    func losses(_ name: FileName, _ node: Node, in directory: Directory) -> [NotCarried.Loss]
    /// Of the whole file.
    func checksum(_ name: FileName, _ node: Node, in directory: Directory) async throws -> FileContent
}

/// The side that is changed.
protocol WritableTree: Tree {
    /// Where an object can be found again to give it another name.
    associatedtype Location: Sendable

    /// - Returns: the new directory, open.
    func makeDirectory(_ name: FileName, in directory: Directory) async throws -> Directory
    /// A symbolic link in place of what has the name now, which is never a directory.
    func makeLink(
        _ name: FileName, to text: FileName, _ attributes: SetAttributes, in directory: Directory) async throws
    /// Another name for a file, in place of what has the name now.
    func link(_ location: Location, as name: FileName, in directory: Directory) async throws
    /// Tells a directory from all others: see ``TemporaryClaim``.
    func identity(_ directory: Directory) -> TemporaryClaim.Directory
    /// - Parameter path: from the top of the copy.
    func location(
        _ name: FileName, in directory: Directory, path: RelativePath
    ) async throws -> LinkTarget<Location>
    func remove(_ name: FileName, in directory: Directory) async throws
    func removeDirectory(_ name: FileName, in directory: Directory) async throws
    func set(_ attributes: SetAttributes, of name: FileName, _ node: Node, in directory: Directory) async throws
    func set(_ attributes: SetAttributes, of directory: Directory) async throws
}

/// What two files are compared by where their times are not trusted.
struct FileContent: Hashable, Sendable {
    /// Bytes that one checksum is of.
    static let blockSize: UInt64 = 64 << 20

    let size: UInt64
    /// XXH3 of one block after another.
    let blocks: [Checksum]
}

/// A place below the top of a copy.
struct RelativePath: Hashable, Sendable, CustomStringConvertible {
    let components: [FileName]

    init(_ components: [FileName] = []) { self.components = components }

    static func / (path: RelativePath, name: FileName) -> RelativePath { RelativePath(path.components + [name]) }

    /// The top itself is `.`.
    var description: String {
        components.isEmpty ? "." : components.map(\.description).joined(separator: "/")
    }
}
