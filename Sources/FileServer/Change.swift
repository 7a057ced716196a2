import NFS
import Synchronization

/// An operation that changes a directory or a file, from before to after: weak cache consistency, RFC 1813 section 2.6.
///
/// What the object was before is told only if nothing else that goes through this server changed it meanwhile: a client
/// would take the other change for its own and keep a stale cache.
final class Change: Sendable {
    private let file: OpenFile
    private let serial: UInt64
    private let wasAlone: Bool
    private let before: FileAttributes
    private let ended = Atomic<Bool>(false)

    /// Begins it.
    init(_ file: OpenFile) throws(NFSStatus) {
        self.file = file
        (serial, wasAlone) = file.changes.withLock { changes in
            changes.underWay += 1
            changes.begun &+= 1
            return (changes.begun, changes.underWay == 1)
        }
        do throws(NFSStatus) {
            before = try file.attributes()
        } catch {
            file.changes.withLock { $0.underWay -= 1 }
            throw error
        }
    }

    deinit { end() }

    /// Ends it, and tells what the object was before, if that is to be told, and what it is now.
    func data() -> WeakCacheData {
        let after = try? file.attributes()
        let isAlone = end() && wasAlone
        return WeakCacheData(before: isAlone ? WeakCacheData.Before(before) : nil, after: after)
    }

    /// - Returns: whether no other change began meanwhile.
    @discardableResult
    private func end() -> Bool {
        guard !ended.exchange(true, ordering: .relaxed) else { return false }
        return file.changes.withLock { changes in
            changes.underWay -= 1
            return changes.begun == serial
        }
    }

    /// The ctime that a SETATTR's guard is compared with.
    var changeTimeBefore: NFSTime { before.changeTime }
    var attributesBefore: FileAttributes { before }

    /// Changes of one object that are under way, and how many there were.
    struct Count {
        var underWay = 0
        var begun: UInt64 = 0
    }
}

extension Optional where Wrapped == Change {
    /// Nothing is told of an object that was not found.
    func data() -> WeakCacheData { self?.data() ?? WeakCacheData() }
}
