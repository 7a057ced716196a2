package import Handshake
import NFS
import Synchronization

/// Connections that many copies share: one ``Session`` for each host and its options, each export mounted once.
package final class RemotePool: Sendable {
    /// Has a session's handshakes done; nil for `xprtsec=none`.
    package typealias Daemon = @Sendable (MountOptions) throws -> HandshakeDaemon?

    private let outage: Double?
    private let bandwidth: TokenBucket?
    private let base: [String]
    private let daemon: Daemon
    private let notify: @Sendable (String) -> Void
    private let mounted: @Sendable (Session) -> Void
    private let entries = Mutex<[String: Entry]>([:])

    /// Sessions at once; of more, those that nobody uses are closed.
    private static let sessionsAtMost = 64

    /// - Parameters:
    ///   - options: what stands behind `-o` for every copy; a name's own come before, a copy's own behind.
    ///   - outage: see ``MountOptions/outage``.
    ///   - bandwidth: for all sessions together.
    ///   - notify: as for ``Session``.
    ///   - mounted: told of each session with which an export is mounted.
    package init(
        options: [String], outage: Double?, bandwidth: TokenBucket? = nil, daemon: @escaping Daemon,
        notify: @escaping @Sendable (String) -> Void,
        mounted: @escaping @Sendable (Session) -> Void
    ) {
        self.mounted = mounted
        base = options
        self.outage = outage
        self.bandwidth = bandwidth
        self.daemon = daemon
        self.notify = notify
    }

    /// Runs `body` with the export that holds a name.
    ///
    /// - Throws: what `body` throws; ``UsageError``; ``TransferError`` and ``MountError`` where it cannot be mounted.
    package func withRemote<R: Sendable>(
        _ name: RemoteName, _ more: [String], _ body: (Remote) async throws -> R
    ) async throws -> R {
        let entry = try take(name, name.options + base + more)
        defer { giveBack(entry) }
        return try await body(try await entry.remote(name.path, mounted))
    }

    /// Closes all connections.
    package func close() {
        for entry in entries.withLock({ Array($0.values) }) { entry.session.close() }
    }

    /// Gives up the calls in flight of all sessions: ``Session/interrupt()``.
    package func interrupt() {
        for entry in entries.withLock({ Array($0.values) }) { entry.session.interrupt() }
    }

    private func take(_ name: RemoteName, _ items: [String]) throws -> Entry {
        let key = ([name.host] + items).joined(separator: "\0")
        return try entries.withLock { entries in
            if let entry = entries[key] {
                entry.users.wrappingAdd(1, ordering: .relaxed)
                return entry
            }
            var options = MountOptions()
            for item in items { try options.apply(item) }
            options.outage = outage
            if entries.count >= Self.sessionsAtMost {
                for (key, entry) in entries where entry.users.load(ordering: .relaxed) == 0 {
                    entries[key] = nil
                    entry.session.close()
                }
            }
            let session = Session(
                host: name.host, options: options, daemon: try daemon(options), bandwidth: bandwidth, notify: notify)
            let entry = Entry(session)
            entry.users.wrappingAdd(1, ordering: .relaxed)
            entries[key] = entry
            return entry
        }
    }

    private func giveBack(_ entry: Entry) { entry.users.wrappingSubtract(1, ordering: .relaxed) }

    /// A session and what is mounted over it.
    private final class Entry: Sendable {
        let session: Session
        /// Copies under way.
        let users = Atomic<Int>(0)
        private let mounting = Limiter(1)
        private let mounted = Mutex(Mounted())

        private struct Mounted {
            var remotes: [Remote] = []
            /// What the server says it exports: nil until it was asked.
            var exports: [String]?
            var failure: (error: any Error, until: ContinuousClock.Instant)?
        }

        /// How long a server that cannot be reached is not asked again: a million jobs need not each wait for it.
        private static let respite = Duration.seconds(3)

        init(_ session: Session) { self.session = session }

        func remote(_ path: String, _ told: @Sendable (Session) -> Void) async throws -> Remote {
            if let remote = try there(path) { return remote }
            await mounting.acquire()
            defer { mounting.release() }
            // Another copy may have mounted it meanwhile.
            if let remote = try there(path) { return remote }
            do {
                let (remote, exports) = try await Remote.mountKnowingExports(session, path: path)
                remote.keepsDirectories.store(true, ordering: .relaxed)
                mounted.withLock { mounted in
                    mounted.exports = exports
                    mounted.remotes.removeAll { $0.export == remote.export }
                    mounted.remotes.append(remote)
                }
                told(session)
                return remote
            } catch let error as TransferError where error.kind == .connection {
                mounted.withLock { $0.failure = (error, ContinuousClock.now + Self.respite) }
                throw error
            }
        }

        /// The export that ``Remote/mount(_:path:)`` would find, if it is mounted: the longest that holds the path.
        private func there(_ path: String) throws -> Remote? {
            try mounted.withLock { mounted in
                if let failure = mounted.failure {
                    if ContinuousClock.now < failure.until { throw failure.error }
                    mounted.failure = nil
                }
                let held = mounted.remotes.filter { Remote.contains($0.export, path) }
                let longest = held.max { $0.export.utf8.count < $1.export.utf8.count }
                let listed = mounted.exports?.filter { Remote.contains($0, path) }.map(\.utf8.count).max() ?? 0
                guard let longest, longest.export.utf8.count >= listed else { return nil }
                return longest
            }
        }
    }
}
