import Kernel
package import NFS
import RPC
import SecureChannel

/// A mounted export: the calls of NFSv3 and MOUNT that transfers are made of, on paths and handles.
package final class Remote: Sendable {
    package let session: Session
    /// Bytes of one READ, WRITE and READDIRPLUS.
    package let readSize: Int
    package let writeSize: Int
    package let directorySize: Int
    private let export: String
    private let root: FileHandle

    /// An object on the server.
    package struct Object: Sendable {
        package let handle: FileHandle
        package let attributes: FileAttributes
        /// Its full name, for messages.
        package let path: String
    }

    private init(
        session: Session, export: String, root: FileHandle, readSize: Int, writeSize: Int, directorySize: Int
    ) {
        self.session = session
        self.export = export
        self.root = root
        self.readSize = readSize
        self.writeSize = writeSize
        self.directorySize = directorySize
    }

    // MARK: MOUNT

    /// Mounts the export that holds `path`.
    ///
    /// - Throws: ``TransferError`` where no export holds it, naming those there are.
    package static func mount(_ session: Session, path: String) async throws -> Remote {
        let exports = try await session.mount(.export, [], subject: session.host) { results throws(MountError) in
            try Mount.decodeExports(results, subject: session.host)
        }
        let names = exports.map { $0.path.description }
        guard let export = names.filter({ contains($0, path) }).max(by: { $0.count < $1.count }) else {
            let list = names.isEmpty ? "it exports nothing" : "it exports \(names.joined(separator: ", "))"
            throw TransferError(.server, "\(session.host):\(path): not in any export of the server (\(list))")
        }
        let subject = "\(session.host):\(export)"
        let arguments = try session.encode(subject) { () throws(XDREncodingError) in
            try Mount.encode(path: FileName(export))
        }
        let mounted = try await session.mount(.mnt, arguments, subject: subject) { results throws(MountError) in
            try Mount.decodeMnt(results, subject: subject)
        }
        let info = try await session.nfs(NFS.FSInfo.self, mounted.root, subject: subject)
        return Remote(
            session: session, export: export, root: mounted.root,
            readSize: size(session.options.readSize, preferred: info.readPreferred, maximum: info.readMaximum),
            writeSize: size(session.options.writeSize, preferred: info.writePreferred, maximum: info.writeMaximum),
            directorySize: size(65536, preferred: info.directoryPreferred, maximum: 1 << 20))
    }

    private static func contains(_ export: String, _ path: String) -> Bool {
        export == "/" || path == export || path.hasPrefix(export + "/")
    }

    /// The wish, or what the server prefers, within what it takes.
    private static func size(_ wish: Int?, preferred: UInt32, maximum: UInt32) -> Int {
        let top = maximum == 0 ? MountOptions.sizes.upperBound : min(Int(maximum), MountOptions.sizes.upperBound)
        return max(512, min(wish ?? Int(preferred), top))
    }

    // MARK: Names

    /// Finds an object by its full path on the server.
    ///
    /// - Throws: ``NFSError`` naming the component that fails.
    package func find(_ path: String) async throws -> Object {
        var at = try await attributes(root, subject: "\(session.host):\(export)")
        var name = export == "/" ? "" : export
        for component in path.dropFirst(name.count).split(separator: "/") {
            name += "/\(component)"
            at = try await lookup(FileName(String(component)), in: at.handle, path: "\(session.host):\(name)")
        }
        return Object(handle: at.handle, attributes: at.attributes, path: "\(session.host):\(path)")
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

    /// All entries of a directory but `.` and `..`, in the server's order, with attributes and handles.
    package func list(_ directory: Object, _ body: (FileName, Object) async throws -> Void) async throws {
        var cookie: UInt64 = 0
        var verifier: NFS.Verifier = 0
        while true {
            let arguments = NFS.ReadDirPlus.Arguments(
                directory.handle, cookie: cookie, verifier: verifier, directoryCount: UInt32(directorySize / 4),
                maximumCount: UInt32(directorySize))
            let encoded = try session.encode(directory.path) { () throws(XDREncodingError) in
                try XDRCoder.encode(arguments)
            }
            let reply = try await session.call(
                procedure: NFS.ReadDirPlus.number.rawValue, arguments: encoded, repeatable: true,
                subject: directory.path)
            let listing = try reply.results.withUnsafeBytes {
                try NFS.ReadDirPlus.decode($0, subject: directory.path)
            }
            verifier = listing.verifier
            for entry in listing.entries {
                cookie = entry.cookie
                if entry.name == "." || entry.name == ".." { continue }
                // A name with a slash would lead out of the directory it is written to.
                guard !entry.name.bytes.contains(UInt8(ascii: "/")), entry.name.count > 0,
                    !entry.name.bytes.contains(0)
                else {
                    throw TransferError(.server, "\(directory.path): the server named an entry '\(entry.name)'")
                }
                let path = "\(directory.path)/\(entry.name)"
                if let handle = entry.handle, let attributes = entry.attributes {
                    try await body(entry.name, Object(handle: handle, attributes: attributes, path: path))
                } else {
                    try await body(entry.name, lookup(entry.name, in: directory.handle, path: path))
                }
            }
            if listing.endOfDirectory { return }
            guard !listing.entries.isEmpty else {
                throw TransferError(.server, "\(directory.path): the server's listing does not go on")
            }
        }
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
        let reply = try await session.call(
            procedure: NFS.Read.number.rawValue, arguments: arguments, sink: sink, repeatable: true,
            subject: source.path,
            localName: localName)
        let (header, _) = try reply.results.withUnsafeBytes { try NFS.Read.decode($0, subject: source.path) }
        guard Int(header.count) == reply.payload else {
            throw TransferError(.server, "\(source.path): the server's answer to READ is malformed")
        }
        return header
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
        let reply = try await session.call(
            procedure: NFS.Write.number.rawValue, arguments: arguments,
            payload: OutboundMessage.FileRange(file: file, offset: position, count: count), repeatable: true,
            subject: path,
            localName: localName)
        return try reply.results.withUnsafeBytes { try NFS.Write.decode($0, subject: path) }
    }
}

extension Session {
    /// A procedure of MOUNT, on the connection that NFS uses.
    fileprivate func mount<R>(
        _ procedure: Mount.ProcedureNumber, _ arguments: [UInt8], subject: String,
        _ decode: (UnsafeRawBufferPointer) throws(MountError) -> R
    ) async throws -> R {
        let reply = try await call(
            program: Mount.program, version: Mount.version, procedure: procedure.rawValue, arguments: arguments,
            repeatable: true, subject: subject)
        return try reply.results.withUnsafeBytes { try decode($0) }
    }
}
