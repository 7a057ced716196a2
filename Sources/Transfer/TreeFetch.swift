import Glibc
import Kernel
import NFS
import SystemPackage

/// Fetches a tree: directories as they are found, files many at once, directories' modes and times when all is in them.
final class TreeFetch: Sendable {
    private let files: FileFetch
    private let options: CopyOptions
    private let gatherer: Gatherer
    private let slots: Limiter

    init(remote: Remote, options: CopyOptions, progress: Progress, gatherer: Gatherer) {
        files = FileFetch(remote: remote, options: options, progress: progress)
        self.options = options
        self.gatherer = gatherer
        slots = Limiter(options.jobs)
    }

    /// Fetches a directory into one that is there.
    func run(_ source: Remote.Object, into target: LocalDirectory) async {
        var made: [(LocalDirectory, FileAttributes)] = []
        await withDiscardingTaskGroup { group in
            await walk(source, target, &made, &group)
            files.progress.listedAll()
        }
        // Deepest first: a directory that may not be written any more is done with.
        for (directory, attributes) in made.reversed() {
            do {
                try local(directory.path) { () throws(SystemError) in
                    try systemCall("fchmod") { fchmod(directory.raw, mode_t(options.mode(attributes.mode))) }
                    if options.preserve { try LocalTimes.set(directory.raw, attributes) }
                }
            } catch {
                gatherer.fail(error)
            }
        }
    }

    private func walk(
        _ source: Remote.Object, _ target: LocalDirectory, _ made: inout [(LocalDirectory, FileAttributes)],
        _ group: inout DiscardingTaskGroup
    ) async {
        made.append((target, source.attributes))
        gatherer.add { $0.directories += 1 }
        var directories: [(FileName, Remote.Object)] = []
        do {
            var found: [(FileName, Remote.Object)] = []
            try await files.remote.list(source) { name, object in found.append((name, object)) }
            for (name, object) in found {
                if Task.isCancelled { return }
                switch object.attributes.type {
                case .regular: await fetch(name, object, target, &group)
                case .directory: directories.append((name, object))
                case .symbolicLink: await link(name, object, target)
                default: gatherer.add { $0.skipped.append("\(object.path): neither a file, a directory nor a link") }
                }
            }
        } catch {
            gatherer.fail(error)
        }
        for (name, object) in directories {
            if Task.isCancelled { return }
            do {
                let inner = try local(target.name(name)) { () throws(SystemError) in
                    try target.makeDirectory(name)
                    return try target.directory(name)
                }
                await walk(object, inner, &made, &group)
            } catch {
                gatherer.fail(error)
            }
        }
    }

    private func fetch(
        _ name: FileName, _ object: Remote.Object, _ target: LocalDirectory, _ group: inout DiscardingTaskGroup
    ) async {
        files.progress.found(bytes: object.attributes.size)
        await slots.acquire()
        group.addTask { [self] in
            defer { slots.release() }
            do {
                let bytes = try await files.run(object, into: target, as: name)
                gatherer.add {
                    $0.files += 1
                    $0.bytes += bytes
                }
            } catch {
                gatherer.fail(error)
            }
        }
    }

    private func link(_ name: FileName, _ object: Remote.Object, _ target: LocalDirectory) async {
        do {
            let text = try await files.remote.readLink(object)
            try local(target.name(name)) { () throws(SystemError) in try target.makeLink(name, to: text) }
            gatherer.add { $0.links += 1 }
        } catch {
            gatherer.fail(error)
        }
    }
}
