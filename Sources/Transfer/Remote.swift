import Kernel
package import NFS
import RPC
import SecureChannel
import Synchronization

/// A mounted export: the calls of NFSv3 and MOUNT that transfers are made of, on paths and handles.
package final class Remote: Sendable {
    package let session: Session
    /// See ``TransferSizes``.
    private let sizes: TransferSizes
    /// Bytes of the next READ.
    package var readSize: Int { size(sizes.read, isWished: session.options.readSize != nil) }
    /// Bytes of the next WRITE.
    package var writeSize: Int { size(sizes.write, isWished: session.options.writeSize != nil) }
    package let directorySize: Int
    let export: String
    let root: FileHandle
    /// The server has no READDIRPLUS, or none that works: known since the first try.
    let lacksReadDirPlus = Atomic<Bool>(false)
    let listingsAhead = ListingsAhead()
    /// What ``xfer()`` has learnt.
    let xferSupport: XferSupport
    /// Directories on the way of ``find(_:)`` are remembered (``DirectoryCache``): for many copies.
    let keepsDirectories = Atomic<Bool>(false)
    private let directories = DirectoryCache()
    /// What ``Ahead/object`` has found; taken once.
    private let first: Mutex<FirstStep?>

    /// An object on the server.
    package struct Object: Sendable {
        package let handle: FileHandle
        package let attributes: FileAttributes
        /// Its full name, for messages.
        package let path: String
    }

    /// - Parameters:
    ///   - support: what is known of the server's extra program.
    ///   - first: see ``FirstStep``.
    init(
        session: Session, export: String, root: FileHandle, sizes: TransferSizes,
        support: XferSupport = XferSupport(), first: FirstStep? = nil
    ) {
        session.mounted(root)
        xferSupport = support
        self.first = Mutex(first)
        self.session = session
        self.export = export
        self.root = root
        self.sizes = sizes
        directorySize = sizes.directory
    }

    private func size(_ most: Int, isWished: Bool) -> Int {
        min(isWished ? most : session.window.size(most: most), session.bandwidth?.piece ?? .max)
    }

    // MARK: Names

    /// Whether `path` is in the mounted export.
    package func contains(_ path: String) -> Bool { Self.contains(export, path) }

    /// Finds an object by its full path on the server.
    ///
    /// - Throws: ``NFSError`` naming the component that fails.
    package func find(_ path: String) async throws -> Object {
        guard contains(path) else {
            throw TransferError(.server, "\(session.host):\(path): not in the mounted export \(export)")
        }
        guard keepsDirectories.load(ordering: .relaxed) else { return try await walk(path).object.get() }
        if let found = try await findInKept(path) { return found }
        var at = try await attributes(root, subject: "\(session.host):\(export)")
        var name = export == "/" ? "" : export
        directories.keep(at, name)
        for component in path.dropFirst(name.count).split(separator: "/") {
            name += "/\(component)"
            at = try await lookup(FileName(String(component)), in: at.handle, path: "\(session.host):\(name)")
            if at.attributes.type == .directory { directories.keep(at, name) }
        }
        return Object(handle: at.handle, attributes: at.attributes, path: "\(session.host):\(path)")
    }

    /// What a path leads to.
    struct Way {
        /// The directory that the last component is in; nil: not known, or the path is that of the export itself.
        let directory: RemoteDirectory?
        /// Fails where the last component is not there.
        let object: Result<Object, NFSError>
    }

    /// Finds an object by its full path, or the directory it is not in.
    ///
    /// - Throws: ``NFSError`` naming the component that fails, where that is not the last one, or not for being absent.
    func way(to path: String) async throws -> Way {
        if contains(path), !keepsDirectories.load(ordering: .relaxed) { return try await walk(path) }
        do {
            return Way(directory: nil, object: .success(try await find(path)))
        } catch let error as NFSError where error.status == .noEntry {
            return Way(directory: nil, object: .failure(error))
        }
    }

    private func walk(_ path: String) async throws -> Way {
        let first = first.withLock { first -> FirstStep? in
            defer { first = nil }
            return first
        }
        var name = export == "/" ? "" : export
        let components = path.dropFirst(name.count).split(separator: "/")
        var directory = RemoteDirectory(handle: root, path: "\(session.host):\(export)")
        guard let last = components.indices.last else {
            if let known = first?.result(of: export) { return Way(directory: nil, object: .success(try known.get())) }
            let object = try await attributes(root, subject: directory.path)
            return Way(directory: nil, object: .success(object))
        }
        var index = components.startIndex
        while true {
            name += "/\(components[index])"
            let subject = "\(session.host):\(name)"
            do {
                let found =
                    if let known = first?.result(of: name) { try known.get() } else {
                        try await lookup(FileName(String(components[index])), in: directory.handle, path: subject)
                    }
                if index == last { return Way(directory: directory, object: .success(found)) }
                directory = RemoteDirectory(handle: found.handle, path: subject)
            } catch let error as NFSError where error.status == .noEntry && index == last {
                return Way(directory: directory, object: .failure(error))
            }
            index += 1
        }
    }

    /// Looks up the first step of a path: for ``Ahead/object``.
    ///
    /// - Returns: nil where the call failed for another reason than what is there; then it is made again and says why.
    func firstStep(of path: String) async -> FirstStep? {
        let asked = Deadline.clock
        let name = export == "/" ? "" : export
        let component = path.dropFirst(name.count).split(separator: "/").first
        let step = component.map { "\(name)/\($0)" } ?? export
        let subject = "\(session.host):\(step)"
        do {
            let found =
                if let component {
                    try await lookup(FileName(String(component)), in: root, path: subject)
                } else {
                    try await attributes(root, subject: subject)
                }
            return FirstStep(path: step, asked: asked, found: .success(found))
        } catch let error as NFSError {
            return FirstStep(path: step, asked: asked, found: .failure(error))
        } catch {
            return nil
        }
    }

    /// What was found of a path when its export was mounted.
    struct FirstStep: Sendable {
        fileprivate let path: String
        /// On the monotonic clock.
        fileprivate let asked: UInt64
        fileprivate let found: Result<Object, NFSError>

        /// Nanoseconds that it is good for: whoever looks later wants to see what has changed since.
        private static let age: UInt64 = 2_000_000_000

        /// Nil where it is another path's, or too old.
        fileprivate func result(of path: String) -> Result<Object, NFSError>? {
            path == self.path && Deadline.clock - asked < Self.age ? found : nil
        }
    }

    /// ``find(_:)`` from a directory that is known.
    ///
    /// - Returns: nil where none is, or the server does not know it any more.
    private func findInKept(_ path: String) async throws -> Object? {
        if let kept = directories[path] { return kept }
        guard path != export, let slash = path.lastIndex(of: "/") else { return nil }
        let parent = String(path[..<slash])
        guard let directory = directories[parent] else { return nil }
        let name = FileName(String(path[path.index(after: slash)...]))
        do {
            let found = try await lookup(name, in: directory.handle, path: "\(session.host):\(path)")
            if found.attributes.type == .directory { directories.keep(found, path) }
            return found
        } catch let error as NFSError where [.stale, .badHandle, .notDirectory].contains(error.status) {
            directories.forget(parent)
            return nil
        }
    }

    /// LOOKUP, and GETATTR where its attributes did not come along.
    package func lookup(_ name: FileName, in directory: FileHandle, path: String) async throws -> Object {
        let found = try await session.nfs(
            NFS.Lookup.self, DirectoryOperation(directory, name), subject: path)
        if let attributes = found.attributes { return Object(handle: found.object, attributes: attributes, path: path) }
        return try await attributes(found.object, subject: path)
    }

    package func attributes(_ handle: FileHandle, subject: String) async throws -> Object {
        let attributes = try await session.nfs(NFS.GetAttr.self, handle, subject: subject)
        return Object(handle: handle, attributes: attributes, path: subject)
    }

    package func readLink(_ link: Object) async throws -> FileName {
        try await session.nfs(NFS.ReadLink.self, link.handle, subject: link.path).text
    }

    // MARK: Data

    /// READ into a file at the same offset.
    ///
    /// - Returns: bytes that came, whether the file ends there, and the file's attributes afterwards.
    func read(
        _ source: Object, offset: UInt64, count: Int, into file: SharedDescriptor, named localName: String
    ) async throws -> NFS.Read.Header {
        let arguments = try session.encode(source.path) { () throws(XDREncodingError) in
            try XDRCoder.encode(NFS.Read.Arguments(source.handle, offset: offset, count: UInt32(clamping: count)))
        }
        let sink = Client.Sink(target: PayloadTarget(file: file, offset: offset), limit: count) {
            NFS.readReplyPayload(results: $0)
        }
        return try await session.patiently(source.path) {
            let reply = try await session.call(
                procedure: NFS.Read.number.rawValue, arguments: arguments, sink: sink,
                subject: source.path, localName: localName)
            let (header, _) = try reply.results.withUnsafeBytes { try NFS.Read.decode($0, subject: source.path) }
            guard Int(header.count) == reply.payload else { throw NFSError(malformed: .read, source.path) }
            return header
        }
    }

    /// WRITE from a file, UNSTABLE.
    func write(
        _ target: FileHandle, path: String, offset: UInt64, count: Int, from file: SharedDescriptor,
        named localName: String, at position: UInt64
    ) async throws -> NFS.Write.Success {
        let arguments = try session.encode(path) { () throws(XDREncodingError) in
            try NFS.Write.encode(
                NFS.Write.Arguments(target, offset: offset, count: UInt32(clamping: count), stability: .unstable))
        }
        return try await session.patiently(path) {
            let reply = try await session.call(
                procedure: NFS.Write.number.rawValue, arguments: arguments,
                payload: OutboundMessage.FileRange(file: file, offset: position, count: count),
                subject: path, localName: localName)
            return try reply.results.withUnsafeBytes { try NFS.Write.decode($0, subject: path) }
        }
    }
}
