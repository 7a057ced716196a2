import NFS
import Synchronization

/// Directories by their paths, for a short while: a million small copies into a few directories do not each look up every
/// component of their paths.
///
/// As an NFS client's cache of names it may be behind the server: a directory that somebody renames is still found under its
/// old name until ``lifetime`` is over.
final class DirectoryCache: Sendable {
    private struct Entry {
        let object: Remote.Object
        let until: ContinuousClock.Instant
    }
    private let entries = Mutex<[String: Entry]>([:])

    static let lifetime = Duration.seconds(3)
    private static let count = 4096

    subscript(path: String) -> Remote.Object? {
        entries.withLock { entries in
            guard let entry = entries[path] else { return nil }
            if ContinuousClock.now < entry.until { return entry.object }
            entries[path] = nil
            return nil
        }
    }

    func keep(_ object: Remote.Object, _ path: String) {
        entries.withLock { entries in
            if entries.count >= Self.count { entries.removeAll(keepingCapacity: true) }
            entries[path] = Entry(object: object, until: ContinuousClock.now + Self.lifetime)
        }
    }

    func forget(_ path: String) { entries.withLock { $0[path] = nil } }
}
