import Glibc
import Kernel
import NFS
import SystemPackage

/// `xfer get` and `xfer put`: where a copy goes, by the rules of cp(1) and scp(1), and what it came to.
package struct Copy: Sendable {
    private let remote: Remote
    private let options: CopyOptions
    private let progress: Progress

    package init(remote: Remote, options: CopyOptions, progress: Progress) {
        self.remote = remote
        self.options = options
        self.progress = progress
    }

    /// Fetches `path` on the server to `destination`.
    ///
    /// A destination that is a directory gets the source's name in it; otherwise it is the copy's name.
    ///
    /// - Throws: what kept it from beginning; what happened to single files is in the report.
    package func get(_ path: String, to destination: String) async throws -> Report {
        let gatherer = Gatherer()
        let source = try await remote.find(path)
        let (parent, name) = try place(destination, named: path.split(separator: "/").last.map(String.init))
        switch source.attributes.type {
        case .regular:
            progress.found(bytes: source.attributes.size)
            progress.listedAll()
            do {
                let bytes = try await FileFetch(remote: remote, options: options, progress: progress)
                    .run(source, into: parent, as: name)
                gatherer.add {
                    $0.files += 1
                    $0.bytes += bytes
                }
            } catch {
                gatherer.fail(error)
            }
        case .directory:
            guard options.recursive else {
                throw TransferError(.local, "\(source.path): is a directory (-r fetches directories)")
            }
            let target = try local(parent.name(name)) { () throws(SystemError) in
                try parent.makeDirectory(name)
                return try parent.directory(name)
            }
            await TreeFetch(remote: remote, options: options, progress: progress, gatherer: gatherer)
                .run(source, into: target)
        default:
            throw TransferError(.server, "\(source.path): neither a file nor a directory")
        }
        return gatherer.result
    }

    /// The directory a copy goes into and its name there.
    private func place(_ destination: String, named source: String?) throws(TransferError) -> (LocalDirectory, FileName)
    {
        var status = stat()
        let isThere = stat(destination, &status) == 0
        // /dev/stdout is a symbolic link, which the rename would replace; what it leads to counts.
        guard !isThere || [S_IFDIR, S_IFREG].contains(status.st_mode & S_IFMT) else {
            throw TransferError(.local, "\(destination): is there, and neither a file nor a directory")
        }
        if isThere, status.st_mode & S_IFMT == S_IFDIR {
            let directory = try local(destination) { () throws(SystemError) in try LocalDirectory(path: destination) }
            // The root of an export has no name of its own: its contents go into the directory itself.
            return (directory, FileName(source ?? "."))
        }
        let trimmed = Self.trimmed(destination)
        let slash = trimmed.lastIndex(of: "/")
        let name = slash.map { trimmed[trimmed.index(after: $0)...] } ?? trimmed[...]
        guard !name.isEmpty else { throw TransferError(.local, "'\(destination)': no name for the copy") }
        let path = slash.map { $0 == trimmed.startIndex ? "/" : String(trimmed[..<$0]) } ?? "."
        let directory = try local(path) { () throws(SystemError) in try LocalDirectory(path: path) }
        return (directory, FileName(String(name)))
    }

    /// Pushes the local `path` to `destination` on the server, by the same rules.
    package func put(_ path: String, to destination: String) async throws -> Report {
        let gatherer = Gatherer()
        if remote.session.options.readOnly {
            throw TransferError(.server, "\(remote.session.host):\(destination): mounted read-only (-o ro)")
        }
        var status = stat()
        _ = try local(path) { () throws(SystemError) in try systemCall("stat") { stat(path, &status) } }
        let trimmed = Self.trimmed(path)
        let slash = trimmed.lastIndex(of: "/")
        let last = slash.map { String(trimmed[trimmed.index(after: $0)...]) } ?? trimmed
        switch status.st_mode & S_IFMT {
        case S_IFREG:
            let above = slash.map { $0 == trimmed.startIndex ? "/" : String(trimmed[..<$0]) } ?? "."
            let source = try local(above) { () throws(SystemError) in try LocalDirectory(path: above) }
            let (parent, name) = try await remotePlace(destination, named: last)
            progress.found(bytes: UInt64(clamping: status.st_size))
            progress.listedAll()
            do {
                let bytes = try await FilePush(remote: remote, options: options, progress: progress)
                    .run(source, FileName(last), following: true, into: parent.handle, parent.path, as: name)
                gatherer.add {
                    $0.files += 1
                    $0.bytes += bytes
                }
            } catch {
                gatherer.fail(error)
            }
        case S_IFDIR:
            guard options.recursive else {
                throw TransferError(.local, "\(path): is a directory (-r pushes directories)")
            }
            let source = try local(path) { () throws(SystemError) in try LocalDirectory(path: path) }
            // `.`, `..` and `/` name no directory to make: their contents go into the destination itself.
            let (parent, name) = try await remotePlace(destination, named: ["", ".", ".."].contains(last) ? nil : last)
            let handle =
                name == "."
                ? parent.handle
                : try await remote.makeDirectory(name, in: parent.handle, path: "\(parent.path)/\(name)")
            let target = Remote.Object(
                handle: handle, attributes: parent.attributes,
                path: name == "." ? parent.path : "\(parent.path)/\(name)")
            await TreePush(remote: remote, options: options, progress: progress, gatherer: gatherer)
                .run(source, into: target)
        default:
            throw TransferError(.local, "\(path): neither a file nor a directory")
        }
        return gatherer.result
    }

    /// Without the slashes at its end, but for the root's.
    private static func trimmed(_ path: String) -> String {
        var path = path[...]
        while path.count > 1, path.hasSuffix("/") { path = path.dropLast() }
        return String(path)
    }

    private func remotePlace(
        _ destination: String, named source: String?
    ) async throws -> (Remote.Object, FileName) {
        do {
            let there = try await remote.find(destination)
            if there.attributes.type == .directory { return (there, FileName(source ?? ".")) }
        } catch let error as NFSError where error.status == .noEntry {
            // The copy's own name; its directory is looked for below.
        }
        let components = destination.split(separator: "/")
        guard let name = components.last else {
            throw TransferError(.server, "\(remote.session.host):\(destination): no name for the copy")
        }
        let parent = try await remote.find("/" + components.dropLast().joined(separator: "/"))
        guard parent.attributes.type == .directory else {
            throw TransferError(.server, "\(parent.path): is not a directory")
        }
        return (parent, FileName(String(name)))
    }
}
