import Glibc
import Kernel
import NFS
import Synchronization
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

    /// A directory at this end that is being filled. It is open until all is in it and no longer: a tree may have more
    /// directories than a process may have descriptors.
    private final class Filling: Sendable {
        let directory: LocalDirectory
        let attributes: FileAttributes
        let parent: Filling?
        /// Who still needs it: the walk, each file under way, each directory in it.
        let holders = Atomic<Int>(1)

        init(_ directory: LocalDirectory, _ attributes: FileAttributes, in parent: Filling?) {
            self.directory = directory
            self.attributes = attributes
            self.parent = parent
            parent?.hold()
        }

        func hold() { holders.wrappingAdd(1, ordering: .relaxed) }
    }

    /// Fetches a directory into one that is there.
    func run(_ source: Remote.Object, into target: LocalDirectory) async {
        await withDiscardingTaskGroup { group in
            await walk(source, Filling(target, source.attributes, in: nil), &group)
            files.progress.listedAll()
        }
    }

    /// Gives a directory up; the last one gives it its mode and times, which everything done in it would change, and
    /// gives up the one above.
    private func release(_ filling: Filling) {
        var last: Filling? = filling
        while let done = last, done.holders.wrappingSubtract(1, ordering: .acquiringAndReleasing).newValue == 0 {
            do {
                try local(done.directory.path) { () throws(SystemError) in
                    let mode = mode_t(options.mode(done.attributes.mode))
                    try systemCall("fchmod") { fchmod(done.directory.raw, mode) }
                    if options.preserve { try LocalTimes.set(done.directory.raw, done.attributes) }
                }
            } catch {
                gatherer.fail(error)
            }
            last = done.parent
        }
    }

    private func walk(_ source: Remote.Object, _ target: Filling, _ group: inout DiscardingTaskGroup) async {
        defer { release(target) }
        gatherer.add { $0.directories += 1 }
        var directories: [(FileName, Remote.Object)] = []
        do {
            // Files are fetched as they are listed: a directory may have millions.
            try await files.remote.list(source, unreachable: { gatherer.fail($0) }) { name, object in
                try Task.checkCancellation()
                switch object.attributes.type {
                case .regular: await fetch(name, object, target, &group)
                case .directory: directories.append((name, object))
                case .symbolicLink: await link(name, object, target.directory)
                default: gatherer.skip("\(object.path): neither a file, a directory nor a link")
                }
            }
        } catch {
            gatherer.fail(error)
        }
        for (name, object) in directories {
            if Task.isCancelled { return }
            do {
                let inner = try local(target.directory.name(name)) { () throws(SystemError) in
                    try target.directory.makeDirectory(name)
                    return try target.directory.directory(name)
                }
                await walk(object, Filling(inner, object.attributes, in: target), &group)
            } catch {
                gatherer.fail(error)
            }
        }
    }

    private func fetch(
        _ name: FileName, _ object: Remote.Object, _ target: Filling, _ group: inout DiscardingTaskGroup
    ) async {
        files.progress.found(bytes: object.attributes.size)
        await slots.acquire()
        target.hold()
        group.addTask { [self] in
            defer {
                slots.release()
                release(target)
            }
            do {
                let bytes = try await files.run(object, into: target.directory, as: name)
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
