import Kernel
import NFS

/// A file on a server that is not finished: at a temporary name beside the target until it is.
struct RemotePart: Sendable {
    /// For messages: its final name.
    let path: String
    let handle: FileHandle
    /// Bytes that an earlier run has left.
    let left: UInt64
    /// Less than half of them have room on the server's disk.
    let isSparse: Bool
    private let remote: Remote
    private let directory: FileHandle
    private let name: FileName
    private let claim: TemporaryClaim

    /// Finds the part that an earlier run of this user has left, or makes a new one.
    init(of name: FileName, in directory: RemoteDirectory, on remote: Remote) async throws {
        self.name = name
        self.remote = remote
        self.directory = directory.handle
        path = "\(directory.path)/\(name)"
        claim = Self.claim(name, in: directory, on: remote)
        let place = DirectoryOperation(directory.handle, claim.name)
        do {
            handle = try await Self.make(place, path, remote)
            (left, isSparse) = (0, false)
        } catch let error as NFSError where error.status == .exists {
            let old = try await remote.lookup(claim.name, in: directory.handle, path: path)
            if old.attributes.type == .regular, old.attributes.linkCount == 1, old.attributes.mode & 0o022 == 0 {
                // A run that was killed just before the rename had given it its final mode.
                if old.attributes.mode & 0o077 != 0 {
                    _ = try await remote.session.nfs(
                        NFS.SetAttr.self, NFS.SetAttr.Arguments(old.handle, SetAttributes(mode: 0o600)), subject: path)
                }
                (handle, left) = (old.handle, old.attributes.size)
                isSparse = old.attributes.used < left / 2
            } else {
                _ = try await remote.session.nfs(NFS.Remove.self, place, subject: path)
                handle = try await Self.make(place, path, remote)
                (left, isSparse) = (0, false)
            }
        }
    }

    /// EXCLUSIVE, which may be sent twice to any server; GUARDED where the server cannot do that (RFC 1813 section 3.3.8).
    private static func make(
        _ place: DirectoryOperation, _ path: String, _ remote: Remote
    ) async throws -> FileHandle {
        let created: NFS.Created
        do {
            created = try await remote.session.nfs(
                NFS.Create.self, NFS.Create.Arguments(place, .exclusive(UInt64.random(in: 0 ... .max))), subject: path)
        } catch let error as NFSError where error.status == .notSupported {
            created = try await remote.session.nfs(
                NFS.Create.self, NFS.Create.Arguments(place, .guarded(SetAttributes(mode: 0o600))),
                subject: path)
        }
        if let object = created.object { return object }
        return try await remote.lookup(place.name, in: place.directory, path: path).handle
    }

    /// The temporary name, while somebody holds on to it.
    static func claim(_ name: FileName, in directory: RemoteDirectory, on remote: Remote) -> TemporaryClaim {
        TemporaryClaim(name, in: .remote(host: remote.session.host, directory.handle))
    }

    /// The same with COMMIT and SETATTR in one call, where the server has XFER.
    ///
    /// - Parameter expected: what all WRITEs that are not committed were answered with; nil: there are none.
    func publish(_ attributes: SetAttributes, expected: NFS.Verifier?) async throws -> Published {
        try await remote.publish(
            handle, claim.name, as: name, in: directory, path: path, attributes: attributes, expected: expected)
    }

    /// Gives it its final name; what has that now is replaced.
    func publish() async throws {
        try await remote.publish(claim.name, as: name, in: directory, handle, path)
    }

    /// That this can fail too changes nothing for anybody: the next run finds it.
    func discard() async {
        _ = try? await remote.session.nfs(
            NFS.Remove.self, DirectoryOperation(directory, claim.name), subject: path)
    }
}
