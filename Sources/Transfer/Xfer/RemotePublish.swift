package import NFS

/// How a PUBLISH ended.
package enum Published: Sendable {
    /// The file has its final name. Attributes are nil where the server does not tell.
    case done(FileAttributes?)
    /// Nothing was done: the server has another write verifier now, and what was written under the expected one and not
    /// committed may be lost (RFC 1813 section 3.3.7).
    case lost(now: NFS.Verifier)
}

extension Remote {
    /// COMMIT, SETATTR and RENAME in one call: PUBLISH. Sent again after a lost reply it succeeds as the first time.
    ///
    /// - Parameters:
    ///   - file: what was written under the name `temporary` in `directory`.
    ///   - name: its final name there; `path` is the two of them, for messages.
    ///   - attributes: without a size.
    ///   - expected: what all WRITEs that are not committed were answered with; nil: there are none.
    ///   - synchronize: whether data, attributes and name are on the server's disk before this returns.
    /// - Throws: ``NFSError``, NFS3ERR_EXIST among them where `existing` keeps what has the name.
    package func publish(
        _ file: FileHandle, _ temporary: FileName, as name: FileName, in directory: FileHandle, path: String,
        attributes: SetAttributes, existing: Xfer.Existing = .replace, expected: NFS.Verifier?,
        synchronize: Bool = true
    ) async throws -> Published {
        let arguments = try session.encode(path) { () throws(XDREncodingError) in
            try Xfer.Publish.encode(
                .init(
                    directory, file: file, temporary: temporary, name: name, attributes: attributes,
                    existing: existing, expected: expected, synchronize: synchronize))
        }
        return try await session.patiently(path) {
            switch try await xferReply(Xfer.Publish.self, arguments, subject: path) {
            case .success(let success): return .done(success.attributes)
            case .failure(.verifierChanged, let failure): return .lost(now: failure.verifier)
            case .failure(let status, _): throw NFSError(status, procedure: Xfer.Publish.name, path)
            }
        }
    }
}
