import Kernel
import NFS
import Synchronization

/// The snapshots of directories that clients are listing, so that a page of a listing does not read all of a directory.
///
/// A listing may go on with any snapshot that was read since it began, its own or another client's: all have the same
/// order. One whose reading began earlier may lack a name that was there when the listing began, so each listing that
/// begins does away with those.
final class SnapshotCache: Sendable {
    /// What a directory looked like: when it changes, so does this.
    struct Stamp: Hashable {
        let modified: NFSTime
        let changed: NFSTime
    }

    private struct Kept {
        let snapshot: DirectorySnapshot
        let stamp: Stamp
        /// Nanoseconds of CLOCK_MONOTONIC: until when it is good although the directory has changed.
        let fresh: UInt64
        var used: UInt64
    }

    private struct Reading {
        let directory: FileHandle
        let began: UInt64
        /// Whether a listing of the directory has begun since.
        var isOutdated = false
    }

    private struct State {
        var kept: [FileHandle: [Kept]] = [:]
        /// Bytes of all that is kept.
        var size = 0
        var readings: [UInt64: Reading] = [:]
        var lastReading: UInt64 = 0
        var cleaned: UInt64 = 0
    }

    /// Bytes of all the snapshots.
    private let limit: Int
    /// Bytes up to which a directory is as soon read as looked up.
    private let small: Int
    /// How many times as long as its reading took a snapshot is good although the directory has changed: under steady
    /// change each page of a listing would else read all of the directory.
    private let freshness: UInt64 = 20
    /// Nanoseconds after which a snapshot goes that nobody used.
    private let patience: UInt64 = 60_000_000_000
    private let state = Mutex(State())

    init(limit: Int, small: Int = 4 << 10) {
        self.limit = limit
        self.small = small
    }

    /// What a listing that got as far as `cookie` may go on with.
    func find(_ directory: FileHandle, after cookie: UInt64, _ stamp: Stamp) -> DirectorySnapshot? {
        let now = Deadline.clock
        return state.withLock { state in
            guard
                let index = state.kept[directory]?.firstIndex(where: {
                    $0.snapshot.lower <= cookie && cookie < $0.snapshot.upper
                        && ($0.stamp == stamp || now < $0.fresh)
                })
            else { return nil }
            state.kept[directory]?[index].used = now
            return state.kept[directory]?[index].snapshot
        }
    }

    /// To be called before a directory is read.
    ///
    /// - Parameter listing: whether a listing begins with it.
    /// - Returns: a number for ``end(_:_:_:)``.
    func begin(_ directory: FileHandle, beginning listing: Bool) -> UInt64 {
        let now = Deadline.clock
        return state.withLock { state in
            if listing {
                for (number, reading) in state.readings where reading.directory == directory {
                    state.readings[number]?.isOutdated = true
                }
                remove(directory, &state)
            }
            state.lastReading += 1
            state.readings[state.lastReading] = Reading(directory: directory, began: now)
            return state.lastReading
        }
    }

    /// The directory was read: its snapshot, nil where that failed, and its stamp from before.
    func end(_ number: UInt64, _ snapshot: DirectorySnapshot?, _ stamp: Stamp) {
        let now = Deadline.clock
        state.withLock { state in
            guard let reading = state.readings.removeValue(forKey: number), !reading.isOutdated, let snapshot,
                snapshot.size > small
            else { return }
            let directory = reading.directory
            let fresh = now &+ (now &- reading.began) &* freshness
            remove(directory, &state) { $0.snapshot.lower == snapshot.lower }
            state.kept[directory, default: []].append(
                Kept(snapshot: snapshot, stamp: stamp, fresh: fresh, used: now))
            state.size += snapshot.size
            clean(&state, now)
            while state.size > limit, let oldest = state.kept.min(by: { Self.used($0.value) < Self.used($1.value) }) {
                remove(oldest.key, &state)
            }
        }
    }

    /// Bytes kept now.
    var size: Int { state.withLock { $0.size } }

    /// How often directories were read.
    var readings: UInt64 { state.withLock { $0.lastReading } }

    /// Lets go of what nobody used for a minute.
    func dropUnused() {
        let now = Deadline.clock
        state.withLock { clean(&$0, now) }
    }

    private func clean(_ state: inout State, _ now: UInt64) {
        guard now &- state.cleaned > 1_000_000_000 else { return }
        state.cleaned = now
        for directory in Array(state.kept.keys) { remove(directory, &state) { now &- $0.used > patience } }
    }

    private static func used(_ kept: [Kept]) -> UInt64 { kept.map(\.used).max() ?? 0 }

    private func remove(_ directory: FileHandle, _ state: inout State, where gone: (Kept) -> Bool = { _ in true }) {
        guard let kept = state.kept[directory] else { return }
        let stays = kept.filter { !gone($0) }
        for one in kept where gone(one) { state.size -= one.snapshot.size }
        state.kept[directory] = stays.isEmpty ? nil : stays
    }
}
