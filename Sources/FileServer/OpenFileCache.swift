import Kernel
import NFS
import Synchronization

/// The files that clients used last, open: READ and WRITE open nothing.
///
/// Bounded; what was not used for the longest time goes first. A file that is in use when it goes is closed when its
/// last user is done.
final class OpenFileCache: Sendable {
    private struct Entry {
        let file: OpenFile
        /// Increases with every use.
        var used: UInt64
        /// Nanoseconds of CLOCK_MONOTONIC.
        var time: UInt64
    }

    private struct State {
        var entries: [FileHandle: Entry] = [:]
        var handles: [Identity: FileHandle] = [:]
        var clock: UInt64 = 0
    }

    private let limit: Int
    private let state = Mutex(State())

    /// - Parameter limit: how many objects stay open. Each takes one descriptor, a file that is read or written up to
    ///   three.
    init(limit: Int) { self.limit = max(1, limit) }

    /// A file of an export that was withdrawn is as good as none: a call that was under way then may have put it back, and
    /// the same export may be served again since, whose handles are the same.
    subscript(handle: FileHandle) -> OpenFile? {
        state.withLock { state in
            guard let index = state.entries.index(forKey: handle),
                state.entries.values[index].file.export.current != nil
            else { return nil }
            state.clock += 1
            state.entries.values[index].used = state.clock
            state.entries.values[index].time = Deadline.clock
            return state.entries.values[index].file
        }
    }

    /// Keeps a file, and returns the one that is there already where there is one: its descriptors are open.
    func insert(_ file: OpenFile) -> OpenFile {
        state.withLock { state in
            state.clock += 1
            if let there = state.entries[file.handle]?.file, there.export === file.export { return there }
            if state.entries.count >= limit { shrink(&state) }
            state.entries[file.handle] = Entry(file: file, used: state.clock, time: Deadline.clock)
            state.handles[file.identity] = file.handle
            return file
        }
    }

    /// Lets the older eighth go: looking for the oldest each time would cost a walk for each file.
    private func shrink(_ state: inout State) {
        let ages = state.entries.values.map(\.used).sorted()
        guard let oldest = ages.dropFirst(max(1, ages.count / 8) - 1).first else { return }
        remove(&state) { $0.used <= oldest }
    }

    private func remove(_ state: inout State, _ condition: (Entry) -> Bool) {
        for (handle, entry) in state.entries where condition(entry) {
            state.entries[handle] = nil
            if state.handles[entry.file.identity] == handle { state.handles[entry.file.identity] = nil }
        }
    }

    /// Forgets an object that was removed, so that its space is given back and its handle is stale.
    func drop(_ identity: Identity) {
        state.withLock { state in
            guard let handle = state.handles.removeValue(forKey: identity) else { return }
            state.entries[handle] = nil
        }
    }

    /// Closes the files of an export that is no longer served.
    func drop(of export: ServedExport) { state.withLock { remove(&$0) { $0.file.export === export } } }

    /// Closes what nobody used since `time`, nanoseconds of CLOCK_MONOTONIC: a file that somebody else removed keeps
    /// its space as long as it is open here.
    func drop(unusedSince time: UInt64) { state.withLock { remove(&$0) { $0.time < time } } }

    var count: Int { state.withLock { $0.entries.count } }
}
