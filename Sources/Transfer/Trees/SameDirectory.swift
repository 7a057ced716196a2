import NFS

/// Whether the two sides of a copy meet in one directory: where somebody copies to or from an export of this machine.
///
/// Nothing tells that two machines are one, and file numbers are the same by chance. But two directories that have the
/// same number and were last changed in the same nanosecond are one.
enum SameDirectory {
    private static let attempts = 10

    /// - Parameter attributes: asks both sides.
    static func check(
        _ attributes: @Sendable () async throws -> (FileAttributes, FileAttributes)
    ) async throws -> Bool {
        var last: (FileAttributes, FileAttributes)?
        for _ in 1...attempts {
            let now = try await attributes()
            guard now.0.type == .directory, now.1.type == .directory, now.0.fileID == now.1.fileID else { return false }
            if isSame(now.0, now.1) { return true }
            // What changes meanwhile is asked for anew.
            if let last, isSame(last.0, now.0), isSame(last.1, now.1) { return false }
            last = now
        }
        // It cannot be known, and what is not done can be done later.
        return true
    }

    private static func isSame(_ a: FileAttributes, _ b: FileAttributes) -> Bool {
        a.changeTime == b.changeTime && a.modificationTime == b.modificationTime && a.mode == b.mode
            && a.linkCount == b.linkCount
    }
}
