import NFS
import Synchronization

/// A temporary name while this process uses it: two copies to one target at once get two.
final class TemporaryClaim: Sendable {
    let name: FileName
    private let key: Key

    private struct Key: Hashable {
        let directory: String
        let name: FileName
    }

    private static let used = Mutex<Set<Key>>([])

    /// - Parameter directory: tells the target's directory from all others.
    init(_ final: FileName, in directory: String) {
        let (name, key) = Self.used.withLock { used -> (FileName, Key) in
            var tag = TemporaryTag.own
            while true {
                let name = TemporaryName.make(for: final, tag: tag)
                let key = Key(directory: directory, name: name)
                if used.insert(key).inserted { return (name, key) }
                tag = .random
            }
        }
        self.name = name
        self.key = key
    }

    /// A name that an earlier run has left, to be removed; nil where somebody in this process uses it.
    init?(leftOver name: FileName, in directory: String) {
        let key = Key(directory: directory, name: name)
        guard Self.used.withLock({ $0.insert(key).inserted }) else { return nil }
        (self.name, self.key) = (name, key)
    }

    deinit { _ = Self.used.withLock { $0.remove(key) } }
}
