import Checksums
import Glibc
import Kernel
import TestSupport

/// Watches the final names of a tree while copies go into it: each must always have one of the contents it may have.
///
/// It looks when inotify(7) tells of a name, and at all names in turn besides. A file that is written under its final name,
/// or a name that goes away, is seen by the event itself.
final class NameWatcher: Sendable {
    private struct State {
        /// What each name may hold: from the top of the tree.
        var allowed: [RawPath: Set<Checksum>] = [:]
        /// Names that must be there.
        var required: Set<RawPath> = []
        var directories: [Int32: RawPath] = [:]
        var pending: Set<RawPath> = []
        var changes = 0
        var looks = 0
        var lost = 0
        var violations: [String] = []
        /// What ``settle()`` has made, and what has been told of it.
        var marksMade = 0
        var marksSeen = 0
        var isOver = false
        var threads = 2
    }

    private let root: RawPath
    /// Outside of the tree, for ``settle()``.
    private let marks: Directory
    private let marksNumber: Int32
    private let notifications: SharedDescriptor
    private let state = Condition(State())

    /// - Parameter root: is there; directories that come later are watched as they come.
    init(_ root: RawPath) throws {
        self.root = root
        let raw = inotify_init1(Int32(IN_CLOEXEC) | Int32(IN_NONBLOCK))
        guard raw >= 0 else { throw Unexpected("inotify_init1: errno \(errno)") }
        notifications = SharedDescriptor(Descriptor(takingOwnershipOf: raw))
        marks = try Directory()
        marksNumber = inotify_add_watch(raw, marks.path, UInt32(IN_CREATE))
        watch(RawPath(""))
    }

    /// Begins to look, once it knows what may be there.
    func begin() throws {
        try Thread.detached("notifications") { [self] in
            readNotifications()
            state.withLock(wake: true) { $0.threads -= 1 }
        }
        try Thread.detached("looks") { [self] in
            lookAround()
            state.withLock(wake: true) { $0.threads -= 1 }
        }
    }

    /// Ends it.
    ///
    /// - Returns: what was wrong, and how much was seen.
    func stop() throws -> (violations: [String], changes: Int, looks: Int, lost: Int) {
        state.withLock(wake: true) { $0.isOver = true }
        let result = state.wait(until: .after(seconds: 30)) { state in
            state.threads == 0 ? (state.violations, state.changes, state.looks, state.lost) : nil
        }
        guard let result else { throw Unexpected("the watcher does not end") }
        return result
    }

    var violations: [String] { state.withLock { $0.violations } }

    /// Changes in the tree so far, as inotify counts them.
    var changes: Int { state.withLock { $0.changes } }

    /// Waits until all that has happened so far is known: events come in order, and so does one of its own.
    ///
    /// - Returns: changes in the tree so far.
    func settle() throws -> Int {
        let number = state.withLock { state in
            state.marksMade += 1
            return state.marksMade
        }
        try write([], to: "\(marks.path)/\(number)")
        let changes = state.wait(until: .after(seconds: 30)) { $0.marksSeen >= number ? $0.changes : nil }
        guard let changes else { throw Unexpected("inotify does not tell of what happens") }
        return changes
    }

    /// Waits for that many changes in all.
    ///
    /// - Returns: whether they came; not where `isOver` says so before, which is asked every few milliseconds.
    func wait(forChanges count: Int, unless isOver: () -> Bool, seconds: Double = 60) -> Bool {
        let end = Deadline.after(seconds: seconds)
        while !isOver() && !end.hasPassed {
            let reached = state.wait(until: .after(seconds: 0.003)) { $0.changes >= count ? true : nil }
            if reached != nil { return true }
        }
        return false
    }

    // MARK: - What may be there

    /// `content` may be under this name from now on, besides what may be anyway.
    func allow(_ path: RawPath, _ content: Checksum) {
        state.withLock { _ = $0.allowed[path, default: []].insert(content) }
    }

    /// Nothing but `content` may be under this name from now on, and it must be there.
    func require(_ path: RawPath, _ content: Checksum) {
        state.withLock { state in
            state.allowed[path] = [content]
            state.required.insert(path)
        }
    }

    static func checksum(_ content: [UInt8]) -> Checksum {
        let state = ChecksumState(.xxh3)
        content.withUnsafeBytes { state.update($0) }
        return state.finish()
    }

    static func checksum(linkTo text: RawPath) -> Checksum { checksum(Array("link to ".utf8) + text.bytes) }

    private func report(_ violation: String) {
        state.withLock { if $0.violations.count < 12 { $0.violations.append(violation) } }
    }

    // MARK: - Events

    private static let events =
        UInt32(IN_CREATE) | UInt32(IN_MODIFY) | UInt32(IN_CLOSE_WRITE) | UInt32(IN_MOVED_TO) | UInt32(IN_MOVED_FROM)
        | UInt32(IN_DELETE) | UInt32(IN_ATTRIB)

    /// Watches a directory and all in it.
    private func watch(_ path: RawPath) {
        let whole = root.appending(path)
        let number = whole.withCString {
            inotify_add_watch(notifications.raw, $0, Self.events | UInt32(IN_ONLYDIR))
        }
        guard number >= 0 else { return }
        state.withLock { $0.directories[number] = path }
        // What came before the watch.
        for name in (try? TreeComparison.components(of: whole)) ?? [] {
            let inner = path.appending(name)
            var status = stat()
            guard root.appending(inner).withCString({ lstat($0, &status) }) == 0 else { continue }
            if status.st_mode & S_IFMT == S_IFDIR {
                watch(inner)
            } else {
                state.withLock(wake: true) { _ = $0.pending.insert(inner) }
            }
        }
    }

    private func readNotifications() {
        var buffer = [UInt8](repeating: 0, count: 256 << 10)
        while !state.withLock({ $0.isOver }) {
            guard ((try? Poll.wait(notifications.raw, for: Poll.readable, until: .after(seconds: 0.05))) ?? 0) != 0
            else {
                continue
            }
            let count = read(notifications.raw, &buffer, buffer.count)
            guard count > 0 else { continue }
            buffer.withUnsafeBytes { bytes in
                // struct inotify_event: wd 4, mask 4, cookie 4, len 4, name
                var at = 0
                while at + 16 <= count {
                    let number = bytes.loadUnaligned(fromByteOffset: at, as: Int32.self)
                    let mask = bytes.loadUnaligned(fromByteOffset: at + 4, as: UInt32.self)
                    let length = Int(bytes.loadUnaligned(fromByteOffset: at + 12, as: UInt32.self))
                    let name = bytes[(at + 16)..<min(at + 16 + length, count)].prefix { $0 != 0 }
                    take(mask, in: number, name: Array(name))
                    at += 16 + length
                }
            }
        }
    }

    private func take(_ mask: UInt32, in directory: Int32, name: [UInt8]) {
        if directory == marksNumber { return state.withLock(wake: true) { $0.marksSeen += 1 } }
        if mask & UInt32(IN_Q_OVERFLOW) != 0 { state.withLock { $0.lost += 1 } }
        let parent = state.withLock(wake: true) { state in
            // A server that is killed closes its files too: that changes nothing.
            if mask & ~UInt32(IN_CLOSE_WRITE) != 0 { state.changes += 1 }
            return state.directories[directory]
        }
        guard let parent else { return }
        let path = parent.appending(RawPath(name))
        if mask & UInt32(IN_ISDIR) != 0 {
            if mask & UInt32(IN_CREATE) != 0 { watch(path) }
            return
        }
        if TreeComparison.isTemporary(path) || isUnnamed(path, name) { return }
        if mask & UInt32(IN_MODIFY) != 0 { report("\(path): was written under its final name") }
        if mask & (UInt32(IN_DELETE) | UInt32(IN_MOVED_FROM)) != 0 { report("\(path): the name went away") }
        state.withLock(wake: true) { _ = $0.pending.insert(path) }
    }

    /// A file made with O_TMPFILE, which no directory has: inotify calls it `#` and its number.
    private func isUnnamed(_ path: RawPath, _ name: [UInt8]) -> Bool {
        guard name.first == UInt8(ascii: "#"), name.dropFirst().allSatisfy({ (0x30...0x39).contains($0) }) else {
            return false
        }
        var status = stat()
        return root.appending(path).withCString { lstat($0, &status) } != 0
            && state.withLock { $0.allowed[path] == nil }
    }

    // MARK: - Contents

    /// Names that events told of first; otherwise all of them in turn, a few at a time, so that what is tested has the
    /// processor too.
    private func lookAround() {
        var round: [RawPath] = []
        while true {
            let told = state.wait(until: .after(seconds: 0.005)) { state -> Set<RawPath>? in
                if state.isOver { return [] }
                guard !state.pending.isEmpty else { return nil }
                defer { state.pending = [] }
                return state.pending
            }
            if let told {
                if told.isEmpty { return }
                for path in told { look(at: path) }
            } else {
                if round.isEmpty { round = state.withLock { Array($0.allowed.keys) }.shuffled() }
                for path in round.suffix(8) { look(at: path) }
                round.removeLast(min(8, round.count))
            }
        }
    }

    private func look(at path: RawPath) {
        guard !TreeComparison.isTemporary(path) else { return }
        let (before, isRequired) = state.withLock { state in
            state.looks += 1
            return (state.allowed[path], state.required.contains(path))
        }
        let whole = root.appending(path)
        guard let (content, size) = content(of: whole) else {
            if isRequired { report("\(path): is not there") }
            return
        }
        // What was replaced while it was read may be of before or of now.
        let now = state.withLock { $0.allowed[path] }
        guard before?.contains(content) != true, now?.contains(content) != true else { return }
        report(
            "\(path): \(before == nil ? "no such name is expected" : "neither an old nor a new content"), \(size) bytes"
        )
    }

    /// - Returns: nil where there is no such name.
    private func content(of path: RawPath) -> (Checksum, Int)? {
        let file = path.withCString { open($0, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK) }
        if file < 0 {
            guard errno == ELOOP, let text = TreeComparison.linkText(path) else { return nil }
            return (Self.checksum(linkTo: text), text.bytes.count)
        }
        defer { close(file) }
        guard let (checksum, count) = try? FileChecksum.of(file, 0..<(.max), .xxh3) else { return nil }
        return (checksum, Int(clamping: count))
    }
}
