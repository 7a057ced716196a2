import Glibc
import Kernel
import NFS

extension FileFetch {
    func together() async throws -> SmallFileLimits? {
        guard let xfer = try await remote.xfer(), xfer.hasManyFiles else { return nil }
        return SmallFileLimits(rules, piece: remote.session.bandwidth?.piece)
    }

    /// By one READFILES. What is not in its reply, or is not what it should be, goes by itself.
    func copy(_ files: [SmallFile<RemoteTree, LocalTree>]) async -> [Result<UInt64, any Error>] {
        let known = files.compactMap(\.node.handle)
        let bytes = files.reduce(0) { $0 + Int(clamping: $1.node.attributes.size) }
        var brought: FilesRead?
        if known.count == files.count {
            await remote.session.window.acquire()
            defer { remote.session.window.release() }
            brought = try? await remote.readFiles(known, bytes: bytes, subject: files.first?.source.path ?? "")
        }
        let read = brought
        // Nothing more is written once somebody wants to leave.
        return await copyRest(of: files) { Task.isCancelled ? nil : write(files[$0], $0, of: read) }
    }

    /// - Returns: bytes of the file; nil where it has to go by itself.
    private func write(_ file: SmallFile<RemoteTree, LocalTree>, _ index: Int, of read: FilesRead?) -> UInt64? {
        read?.withFile(index) { bytes, attributes -> UInt64? in
            let before = file.node.attributes
            guard attributes.size == before.size, attributes.modificationTime == before.modificationTime,
                UInt64(bytes.count) == before.size
            else { return nil }
            do throws(SystemError) {
                var isThere = false
                if file.existing == nil {
                    isThere = try writeUnnamed(bytes, before, to: file.final, in: file.target)
                }
                if !isThere { isThere = try writePart(bytes, before, to: file.final, in: file.target) }
                guard isThere else { return nil }
            } catch {
                // An owner that may not be given, a full disk: what it means, and what is said of it, is known in the
                // way of a file that goes by itself.
                return nil
            }
            progress.passed(bytes: before.size)
            return before.size
        } ?? nil
    }

    /// - Returns: false where the file system has no unnamed files, or the name is there by now.
    private func writeUnnamed(
        _ bytes: UnsafeRawBufferPointer, _ source: FileAttributes, to name: FileName, in directory: LocalDirectory
    ) throws(SystemError) -> Bool {
        guard let new = try UnnamedFile(in: directory) else { return false }
        try fill(new.file.raw, bytes, source)
        return try new.publish(as: name)
    }

    /// By a temporary name, which can be renamed over what is there.
    ///
    /// - Returns: false where a file must not replace what is there.
    private func writePart(
        _ bytes: UnsafeRawBufferPointer, _ source: FileAttributes, to name: FileName, in directory: LocalDirectory
    ) throws(SystemError) -> Bool {
        if let there = try directory.status(name), ![S_IFREG, S_IFLNK].contains(there.st_mode & S_IFMT) {
            return false
        }
        let part = try LocalPart(of: name, in: directory)
        do throws(SystemError) {
            if part.left > 0 { try systemCall("ftruncate") { ftruncate(part.file.raw, 0) } }
            try fill(part.file.raw, bytes, source)
            try part.publish()
        } catch {
            part.discard()
            throw error
        }
        return true
    }

    private func fill(
        _ file: Int32, _ bytes: UnsafeRawBufferPointer, _ source: FileAttributes
    ) throws(SystemError) {
        try Files.write(file, bytes, at: 0)
        try LocalAttributes.set(rules.settable(rules.attributes(source)), of: file)
        try synchronize(file)
    }
}
