import CLinux
import Checksums
import Glibc
import Kernel
import NFS

/// The files of this machine.
struct LocalTree: WritableTree {
    /// Where names of hard links are looked for.
    let top: LocalDirectory

    typealias Directory = LocalDirectory
    /// Looked up one by one: a call to the kernel costs less than keeping all names.
    struct Index: Sendable {}
    typealias Location = RelativePath

    func path(_ name: FileName, in directory: LocalDirectory) -> String { directory.name(name) }
    func path(_ directory: LocalDirectory) -> String { directory.path }

    func list(
        _ directory: LocalDirectory, unreachable: (any Error) throws -> Void,
        _ body: ([(FileName, Node)]) async throws -> Void
    ) async throws {
        let names = try local(directory.path) { () throws(SystemError) in try directory.entries() }
        for start in stride(from: 0, to: names.count, by: Self.page) {
            let some = names[start..<min(start + Self.page, names.count)]
            var found: [(FileName, Node)] = []
            found.reserveCapacity(some.count)
            for name in some {
                do {
                    // Nil: gone since the directory was read.
                    if let node = try node(name, in: directory) { found.append((name, node)) }
                } catch {
                    try unreachable(error)
                }
            }
            try await body(found)
        }
    }

    /// Entries that are looked at before something is done with the first: what is known of one may soon be of old.
    private static let page = 128

    /// The kernel has it in no time.
    func prepareListing(_ name: FileName, _ node: Node, in directory: LocalDirectory) {}

    func index(_ directory: LocalDirectory) -> Index { Index() }

    func find(_ name: FileName, in directory: LocalDirectory, _ index: Index) throws -> Node? {
        try node(name, in: directory)
    }

    func find(_ name: FileName, in directory: LocalDirectory) throws -> Node? { try node(name, in: directory) }

    func names(_ directory: LocalDirectory, _ index: Index) throws -> [FileName] {
        try local(directory.path) { () throws(SystemError) in try directory.entries() }
    }

    func attributes(_ directory: LocalDirectory) throws -> FileAttributes {
        try local(directory.path) { () throws(SystemError) in FileAttributes(try Files.status(directory.raw)) }
    }

    func open(_ name: FileName, _ node: Node, in directory: LocalDirectory) throws -> LocalDirectory {
        try local(directory.name(name)) { () throws(SystemError) in try directory.directory(name) }
    }

    func readLink(_ name: FileName, _ node: Node, in directory: LocalDirectory) throws -> FileName {
        try local(directory.name(name)) { () throws(SystemError) in try directory.readLink(name) }
    }

    func losses(_ name: FileName, _ node: Node, in directory: LocalDirectory) -> [NotCarried.Loss] {
        var losses: [NotCarried.Loss] = []
        if directory.hasExtendedAttributes(name) { losses.append(.extendedAttributes) }
        // What is out of range has become the nearest time in it.
        if [0, .max].contains(node.attributes.modificationTime.seconds),
            let status = try? directory.status(name), UInt32(exactly: status.st_mtim.tv_sec) == nil
        {
            losses.append(.time)
        }
        return losses
    }

    /// The same of a file that is open.
    static func losses(of file: Int32, _ status: stat) -> [NotCarried.Loss] {
        var losses: [NotCarried.Loss] = []
        if LocalDirectory.hasExtendedAttributes(file) { losses.append(.extendedAttributes) }
        if UInt32(exactly: status.st_mtim.tv_sec) == nil { losses.append(.time) }
        return losses
    }

    func checksum(_ name: FileName, _ node: Node, in directory: LocalDirectory) throws -> FileContent {
        let path = directory.name(name)
        // Since it was listed it may have become a FIFO, whose opening would wait for a writer.
        let (file, status) = try local(path) { () throws(SystemError) in
            let file = SharedDescriptor(try directory.open(name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK))
            return (file, try Files.status(file.raw))
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw TransferError(.sourceChanged, "\(path): is no regular file")
        }
        let size = UInt64(clamping: status.st_size)
        var blocks: [Checksum] = []
        var offset: UInt64 = 0
        while offset < size {
            try Task.checkCancellation()
            let end = offset + min(size - offset, FileContent.blockSize)
            let (checksum, count) = try local(path) { () throws(SystemError) in
                try FileChecksum.of(file.raw, offset..<end, .xxh3)
            }
            blocks.append(checksum)
            // It got shorter meanwhile.
            if count < end - offset { return FileContent(size: offset + count, blocks: blocks) }
            offset = end
        }
        return FileContent(size: size, blocks: blocks)
    }

    func makeDirectory(_ name: FileName, in directory: LocalDirectory) throws -> LocalDirectory {
        try local(directory.name(name)) { () throws(SystemError) in
            try directory.makeDirectory(name)
            return try directory.directory(name)
        }
    }

    func makeLink(
        _ name: FileName, to text: FileName, _ attributes: SetAttributes, in directory: LocalDirectory
    ) throws {
        try local(directory.name(name)) { () throws(SystemError) in
            try directory.replace(name) { (temporary) throws(SystemError) in
                try directory.makeLink(temporary, to: text)
                try LocalAttributes.set(attributes, of: temporary, in: directory, isLink: true)
            }
        }
    }

    func identity(_ directory: LocalDirectory) -> TemporaryClaim.Directory { directory.identity }

    func location(
        _ name: FileName, in directory: LocalDirectory, path: RelativePath
    ) throws -> LinkTarget<RelativePath> {
        guard let found = try node(name, in: directory) else {
            throw TransferError(.local, "\(directory.name(name)): is gone")
        }
        return LinkTarget(location: path, fileID: found.attributes.fileID)
    }

    func link(_ location: RelativePath, as name: FileName, in directory: LocalDirectory) throws {
        try local(directory.name(name)) { () throws(SystemError) in
            var parent = top
            for component in location.components.dropLast() { parent = try parent.directory(component) }
            guard let first = location.components.last else { return }
            try directory.replace(name) { (temporary) throws(SystemError) in
                try systemCall("linkat", on: directory.name(name)) {
                    first.withCString { first in
                        temporary.withCString { linkat(parent.raw, first, directory.raw, $0, 0) }
                    }
                }
            }
        }
    }

    func remove(_ name: FileName, in directory: LocalDirectory) throws {
        _ = try local(directory.name(name)) { () throws(SystemError) in
            try systemCall("unlinkat") { name.withCString { unlinkat(directory.raw, $0, 0) } }
        }
    }

    func removeDirectory(_ name: FileName, in directory: LocalDirectory) throws {
        _ = try local(directory.name(name)) { () throws(SystemError) in
            try systemCall("unlinkat") { name.withCString { unlinkat(directory.raw, $0, AT_REMOVEDIR) } }
        }
    }

    func set(
        _ attributes: SetAttributes, of name: FileName, _ node: Node, in directory: LocalDirectory
    ) throws {
        try local(directory.name(name)) { () throws(SystemError) in
            try LocalAttributes.set(attributes, of: name, in: directory, isLink: node.type == .symbolicLink)
        }
    }

    func set(_ attributes: SetAttributes, of directory: LocalDirectory) throws {
        try local(directory.path) { () throws(SystemError) in
            try LocalAttributes.set(attributes, of: directory.raw)
        }
    }

    private func node(_ name: FileName, in directory: LocalDirectory) throws(TransferError) -> Node? {
        try local(directory.name(name)) { () throws(SystemError) in
            try directory.status(name).map { Node(attributes: FileAttributes($0), handle: nil) }
        }
    }
}
