import NFS
import Synchronization

/// A temporary name while this process uses it: two copies to one target at once get two.
final class TemporaryClaim: Sendable {
    let name: FileName
    private let key: Key

    /// A directory, told from all others.
    enum Directory: Hashable, Sendable {
        case local(device: UInt64, inode: UInt64)
        case remote(host: String, FileHandle)
    }

    private struct Key: Hashable {
        let directory: Directory
        let name: FileName
    }

    private static let used = Mutex<Set<Key>>([])

    /// - Parameter directory: the target's.
    init(_ final: FileName, in directory: Directory) {
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
    init?(leftOver name: FileName, in directory: Directory) {
        let key = Key(directory: directory, name: name)
        guard Self.used.withLock({ $0.insert(key).inserted }) else { return nil }
        (self.name, self.key) = (name, key)
    }

    deinit { _ = Self.used.withLock { $0.remove(key) } }
}
