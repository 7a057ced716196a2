import Glibc
import Kernel
import NFS

extension FilePush {
    func together() async throws -> SmallFileLimits? {
        guard let xfer = try await remote.xfer(), xfer.hasManyFiles, xfer.isWritable else { return nil }
        return SmallFileLimits(rules, piece: remote.session.bandwidth?.piece)
    }

    /// By one PUTFILES. What cannot be read, or is not taken, goes by itself.
    func copy(_ files: [SmallFile<LocalTree, RemoteTree>]) async -> [Result<UInt64, any Error>] {
        var put: [Int: UInt64] = [:]
        if let first = files.first, !Task.isCancelled {
            put = (try? await putTogether(files, subject: first.target.path)) ?? [:]
        }
        return await copyRest(of: files) { put[$0] }
    }

    /// - Returns: those that are there, by their place among the files, and their bytes.
    private func putTogether(
        _ files: [SmallFile<LocalTree, RemoteTree>], subject: String
    ) async throws -> [Int: UInt64] {
        var call = try remote.session.encode(subject) { () throws(XDREncodingError) in
            try Xfer.PutFiles.Call(.init(remote.root))
        }
        var claims: [TemporaryClaim] = []
        var inCall: [(index: Int, bytes: UInt64, losses: [NotCarried.Loss])] = []
        for (index, file) in files.enumerated() {
            guard let (data, attributes, losses) = try? read(file) else { continue }
            let claim = RemotePart.claim(file.final, in: file.target, on: remote)
            let head = Xfer.PutFiles.File(
                file.target.handle, file.final, temporary: claim.name,
                attributes: rules.settable(self.attributes(attributes)))
            do {
                try data.withUnsafeBytes { try call.append(head, $0) }
            } catch {
                // Its name is longer than the protocol has it.
                continue
            }
            claims.append(claim)
            inCall.append((index, UInt64(data.count), losses))
        }
        defer { withExtendedLifetime(claims) {} }
        let bytes = inCall.reduce(0) { $0 + $1.bytes }
        let statuses = try await remote.putFiles(call, bytes: Int(clamping: bytes), subject: subject)
        var put: [Int: UInt64] = [:]
        for ((index, bytes, losses), status) in zip(inCall, statuses) where status == .ok {
            // What goes by itself is looked at again then.
            for loss in losses { notCarried.add(loss, files[index].source.name(files[index].name)) }
            progress.passed(bytes: bytes)
            put[index] = bytes
        }
        return put
    }

    /// All of a file, which was the same before and after it was read, and as it was listed.
    private func read(
        _ file: SmallFile<LocalTree, RemoteTree>
    ) throws -> (data: [UInt8], attributes: FileAttributes, losses: [NotCarried.Loss]) {
        let subject = file.source.name(file.name)
        let opened = try local(subject) { () throws(SystemError) in
            SharedDescriptor(try file.source.open(file.name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW))
        }
        let status = try local(subject) { () throws(SystemError) in try Files.status(opened.raw) }
        let attributes = FileAttributes(status)
        guard attributes.type == .regular, attributes.size == file.node.attributes.size else {
            throw TransferError(.sourceChanged, "\(subject): changed since it was listed")
        }
        let losses = rules.preserve ? LocalTree.losses(of: opened.raw, status) : []
        return (try SmallSource(opened, status, name: subject).read(), attributes, losses)
    }
}
