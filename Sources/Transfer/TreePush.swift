import Glibc
import Kernel
import NFS
import SystemPackage

/// Pushes a tree: directories as they are found, files many at once, directories' modes and times when all is in them.
final class TreePush: Sendable {
    private let files: FilePush
    private let remote: Remote
    private let options: CopyOptions
    private let gatherer: Gatherer
    private let slots: Limiter

    init(remote: Remote, options: CopyOptions, progress: Progress, gatherer: Gatherer) {
        files = FilePush(remote: remote, options: options, progress: progress)
        self.remote = remote
        self.options = options
        self.gatherer = gatherer
        slots = Limiter(options.jobs)
    }

    private struct Made {
        let handle: FileHandle
        let path: String
        let status: stat
    }

    /// Pushes a directory into one that is there.
    func run(_ source: LocalDirectory, into target: Remote.Object) async {
        var made: [Made] = []
        await withDiscardingTaskGroup { group in
            await walk(source, target.handle, target.path, &made, &group)
            files.progress.listedAll()
        }
        // Deepest first: a directory that may not be written any more is done with.
        for directory in made.reversed() {
            do {
                let status = directory.status
                _ = try await remote.session.nfs(
                    NFS.SetAttr.self,
                    NFS.SetAttr.Arguments(
                        directory.handle,
                        SetAttributes(
                            mode: options.mode(UInt32(status.st_mode)),
                            accessTime: options.preserve ? .at(NFSTime(status.st_atim)) : nil,
                            modificationTime: options.preserve ? .at(NFSTime(status.st_mtim)) : nil)),
                    subject: directory.path)
            } catch {
                gatherer.fail(error)
            }
        }
    }

    private func walk(
        _ source: LocalDirectory, _ target: FileHandle, _ path: String, _ made: inout [Made],
        _ group: inout DiscardingTaskGroup
    ) async {
        gatherer.add { $0.directories += 1 }
        var directories: [FileName] = []
        do {
            let (status, names) = try local(source.path) { () throws(SystemError) in
                (try Files.status(source.raw), try source.entries())
            }
            made.append(Made(handle: target, path: path, status: status))
            for name in names {
                if Task.isCancelled { return }
                let there = try local(source.name(name)) { () throws(SystemError) in try source.status(name) }
                // Gone since the directory was read.
                guard let there else { continue }
                switch there.st_mode & S_IFMT {
                case S_IFREG: await push(name, UInt64(clamping: there.st_size), source, target, path, &group)
                case S_IFDIR: directories.append(name)
                case S_IFLNK: await link(name, source, target, path)
                default:
                    gatherer.skip("\(source.name(name)): neither a file, a directory nor a link")
                }
            }
        } catch {
            gatherer.fail(error)
        }
        for name in directories {
            if Task.isCancelled { return }
            do {
                let inner = try local(source.name(name)) { () throws(SystemError) in try source.directory(name) }
                let handle = try await remote.makeDirectory(name, in: target, path: "\(path)/\(name)")
                await walk(inner, handle, "\(path)/\(name)", &made, &group)
            } catch {
                gatherer.fail(error)
            }
        }
    }

    private func push(
        _ name: FileName, _ size: UInt64, _ source: LocalDirectory, _ target: FileHandle, _ path: String,
        _ group: inout DiscardingTaskGroup
    ) async {
        files.progress.found(bytes: size)
        await slots.acquire()
        group.addTask { [self] in
            defer { slots.release() }
            do {
                let bytes = try await files.run(source, name, into: target, path, as: name)
                gatherer.add {
                    $0.files += 1
                    $0.bytes += bytes
                }
            } catch {
                gatherer.fail(error)
            }
        }
    }

    private func link(_ name: FileName, _ source: LocalDirectory, _ target: FileHandle, _ path: String) async {
        do {
            let text = try local(source.name(name)) { () throws(SystemError) in try source.readLink(name) }
            try await remote.makeLink(name, to: text, in: target, path: "\(path)/\(name)")
            gatherer.add { $0.links += 1 }
        } catch {
            gatherer.fail(error)
        }
    }
}

extension Remote {
    /// MKDIR; a directory that is there is as good.
    func makeDirectory(_ name: FileName, in directory: FileHandle, path: String) async throws -> FileHandle {
        let place = DirectoryOperation(directory, name)
        do {
            let created = try await session.nfs(
                NFS.MkDir.self, NFS.MkDir.Arguments(place, SetAttributes(mode: 0o700)), subject: path)
            if let object = created.object { return object }
        } catch let error as NFSError where error.status == .exists {
            let there = try await lookup(name, in: directory, path: path)
            guard there.attributes.type == .directory else { throw error }
            return there.handle
        }
        return try await lookup(name, in: directory, path: path).handle
    }

    /// A symbolic link in place of what has the name now, which is never a directory.
    func makeLink(_ name: FileName, to text: FileName, in directory: FileHandle, path: String) async throws {
        let temporary = DirectoryOperation(directory, TemporaryName.make(for: name))
        let made = try await session.nfs(
            NFS.SymLink.self, NFS.SymLink.Arguments(temporary, SetAttributes(), text: text), subject: path)
        do {
            let handle: FileHandle
            if let object = made.object {
                handle = object
            } else {
                handle = try await lookup(temporary.name, in: directory, path: path).handle
            }
            try await publish(temporary.name, as: name, in: directory, handle, path)
        } catch {
            _ = try? await session.nfs(NFS.Remove.self, temporary, subject: path)
            throw error
        }
    }
}
