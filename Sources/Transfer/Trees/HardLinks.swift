import NFS
import Synchronization

/// A file of the target that may get further names.
struct LinkTarget<Location: Sendable>: Sendable {
    /// Nil where it would be made, and nothing is (`--dry-run`).
    let location: Location?
    /// Nil where it would be.
    let fileID: UInt64?
}

/// Names of one file in the source are names of one file in the target: the first that the walk meets is copied, the
/// others are linked to it (`--hard-links`).
final class HardLinks<Location: Sendable>: Sendable {
    private struct File: Hashable {
        let fileSystem: UInt64
        let fileID: UInt64

        init(_ attributes: FileAttributes) {
            fileSystem = attributes.fileSystem
            fileID = attributes.fileID
        }
    }

    private enum State {
        case copying([CheckedContinuation<Claim, Never>])
        case copied(LinkTarget<Location>)
    }

    enum Claim: Sendable {
        /// To be copied, and told of by ``finished(_:at:)``.
        case first
        case copied(LinkTarget<Location>)
    }

    private let files = Mutex<[File: State]>([:])

    /// Asked in the walk's order, so that a dry run finds the same one first.
    ///
    /// - Returns: whether it is the first: then it is claimed.
    func isFirst(_ attributes: FileAttributes) -> Bool {
        let key = File(attributes)
        return files.withLock { files in
            if files[key] != nil { return false }
            files[key] = .copying([])
            return true
        }
    }

    /// For those that are not the first: waits while another task copies the file.
    func claim(_ attributes: FileAttributes) async -> Claim {
        let key = File(attributes)
        return await withCheckedContinuation { continuation in
            let now = files.withLock { files -> Claim? in
                switch files[key] {
                case nil:
                    files[key] = .copying([])
                    return .first
                case .copied(let location): return .copied(location)
                case .copying(let waiting):
                    files[key] = .copying(waiting + [continuation])
                    return nil
                }
            }
            if let now { continuation.resume(returning: now) }
        }
    }

    /// The first name is there, or, with nil, could not be made: then the next that waits copies it.
    func finished(_ attributes: FileAttributes, at location: LinkTarget<Location>?) {
        let key = File(attributes)
        let (waiting, claim) = files.withLock {
            files -> (ArraySlice<CheckedContinuation<Claim, Never>>, Claim) in
            guard case .copying(let waiting) = files[key] else { return ([], .first) }
            if let location {
                files[key] = .copied(location)
                return (waiting[...], .copied(location))
            }
            files[key] = waiting.isEmpty ? nil : .copying(Array(waiting.dropFirst()))
            return (waiting.prefix(1), .first)
        }
        for continuation in waiting { continuation.resume(returning: claim) }
    }
}
