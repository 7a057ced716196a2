import Glibc
import Kernel
import NFS

extension FileFetch {
    func together() async throws -> SmallFileLimits? {
        guard let xfer = try await remote.xfer(), xfer.hasManyFiles else { return nil }
        return SmallFileLimits(size: UInt64(Xfer.fileDataLimit))
    }

    /// By one READFILES. What is not in its reply, or is not what it should be, goes by itself: then it is as if it had
    /// done so from the beginning.
    func copy(_ files: [SmallFile<RemoteTree, LocalTree>]) async -> [Result<UInt64, any Error>] {
        let known = files.compactMap(\.node.handle)
        let bytes = files.reduce(0) { $0 + Int(clamping: $1.node.attributes.size) }
        var read: FilesRead?
        if known.count == files.count {
            await remote.session.window.acquire()
            defer { remote.session.window.release() }
            read = try? await remote.readFiles(known, bytes: bytes, subject: files.first?.source.path ?? "")
        }
        var results: [Result<UInt64, any Error>] = []
        results.reserveCapacity(files.count)
        for (index, file) in files.enumerated() {
            do {
                if Task.isCancelled { throw CancellationError() }
                if let bytes = try write(file, index, of: read) {
                    results.append(.success(bytes))
                } else {
                    let bytes = try await copy(
                        file.name, file.node, in: file.source, following: false, to: file.target, as: file.final)
                    results.append(.success(bytes))
                }
            } catch {
                results.append(.failure(error))
            }
        }
        return results
    }

    /// - Returns: bytes of the file; nil where it has to go by itself.
    private func write(
        _ file: SmallFile<RemoteTree, LocalTree>, _ index: Int, of read: FilesRead?
    ) throws -> UInt64? {
        // What is there may be a device: it is looked at in the way of a file that goes by itself.
        guard file.existing == nil else { return nil }
        return try read?.withFile(index) { bytes, attributes -> UInt64? in
            let before = file.node.attributes
            guard attributes.size == before.size, attributes.modificationTime == before.modificationTime,
                UInt64(bytes.count) == before.size
            else { return nil }
            let isThere = try local(file.target.name(file.final)) { () throws(SystemError) in
                try write(bytes, before, to: file.final, in: file.target)
            }
            guard isThere else { return nil }
            progress.copied(bytes: before.size)
            return before.size
        } ?? nil
    }

    /// - Returns: false where it cannot be done in this way.
    private func write(
        _ bytes: UnsafeRawBufferPointer, _ source: FileAttributes, to name: FileName, in directory: LocalDirectory
    ) throws(SystemError) -> Bool {
        guard let new = try UnnamedFile(in: directory) else { return false }
        let raw = new.file.raw
        try Files.write(raw, bytes, at: 0)
        do throws(SystemError) {
            try LocalAttributes.set(rules.settable(rules.attributes(source)), of: raw)
        } catch {
            // An owner that may not be given, say: what that means is known in the way of a file that goes by itself.
            return false
        }
        if rules.synchronize { try systemCall("fsync") { fsync(raw) } }
        return try new.publish(as: name)
    }
}
