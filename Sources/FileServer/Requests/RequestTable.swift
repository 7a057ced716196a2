/// How much a ``RequestCache`` keeps, and how long.
struct RequestLimits: Sendable {
    /// Calls in all: slots of the file.
    var entries = 8192
    /// Calls of one client. More than a client has outstanding at once, which is all it can send again.
    var entriesPerClient = 1024
    /// Bytes of replies, in all and of one client.
    var bytes = 8 << 20
    var bytesPerClient = 512 << 10
    /// Nanoseconds that a reply is kept. Long enough for a client's retransmissions (Linux: 60 s and more, mount_nfs
    /// timeo), short enough for a client that begins its transactions anew.
    var lifetime: UInt64 = 300_000_000_000
}

/// The calls that are known: each has a slot, and the slots of one client are in the order they were begun.
///
/// One client's calls push out that client's oldest. Only where the whole table is full does the client that has most
/// give way to another.
struct RequestTable {
    enum Phase {
        /// Being done.
        case running
        /// Begun by an earlier process, which was killed: at these nanoseconds of CLOCK_REALTIME.
        case interrupted(since: UInt64)
        case done([UInt8])
    }

    /// What to do with a call that came.
    enum Start: Equatable {
        /// It is done: its results.
        case reply([UInt8])
        /// It is being done.
        case wait
        /// It is to be done; `since` where it may have been done already.
        case run(slot: Int, since: UInt64?)
        /// It is to be done, and there is no room to remember it: everything is being done just now.
        case unkept
    }

    private struct Entry {
        let key: RequestKey
        var phase: Phase
        /// CLOCK_MONOTONIC, in nanoseconds, of its last change.
        var time: UInt64
        /// Neighbours among the client's entries.
        var older: Int?
        var newer: Int?

        var bytes: Int { if case .done(let reply) = phase { reply.count } else { 0 } }
    }

    private struct Client {
        var oldest: Int?
        var newest: Int?
        var count = 0
        var bytes = 0
    }

    private let limits: RequestLimits
    private var entries: [Entry?]
    private var slots: [Digest: Int] = [:]
    private var clients: [Digest: Client] = [:]
    private var free: [Int]
    private(set) var bytes = 0
    /// When what was too old was last removed.
    private var swept: UInt64 = 0

    init(_ limits: RequestLimits) {
        self.limits = limits
        entries = Array(repeating: nil, count: limits.entries)
        free = Array((0..<limits.entries).reversed())
    }

    var count: Int { slots.count }
    func count(of client: Digest) -> Int { clients[client]?.count ?? 0 }

    mutating func start(_ key: RequestKey, now: UInt64) -> Start {
        if let slot = slots[key.call], let entry = entries[slot] {
            switch entry.phase {
            case .running: return .wait
            case .done(let reply) where isFresh(entry, now): return .reply(reply)
            case .interrupted(let since) where isFresh(entry, now):
                entries[slot]?.phase = .running
                return .run(slot: slot, since: since)
            default: remove(slot)
            }
        }
        while let client = clients[key.client], client.count >= limits.entriesPerClient {
            guard removeOldest(of: key.client) else { return .unkept }
        }
        if free.isEmpty { makeRoom(now) }
        guard let slot = free.popLast() else { return .unkept }
        insert(key, .running, at: slot, now: now)
        return .run(slot: slot, since: nil)
    }

    /// Ends a call that ``start(_:now:)`` let run.
    ///
    /// - Parameter reply: nil where it is not to be remembered.
    mutating func finish(_ slot: Int, _ reply: [UInt8]?, now: UInt64) {
        guard let client = entries[slot]?.key.client, let reply, reply.count <= limits.bytesPerClient else {
            return remove(slot)
        }
        entries[slot]?.phase = .done(reply)
        entries[slot]?.time = now
        bytes += reply.count
        clients[client]?.bytes += reply.count
        while let owner = clients[client], owner.bytes > limits.bytesPerClient {
            guard removeOldest(of: client) else { break }
        }
        while bytes > limits.bytes {
            guard let most = clients.max(by: { $0.value.bytes < $1.value.bytes }), removeOldest(of: most.key) else {
                break
            }
        }
    }

    /// Takes up what an earlier process left in a slot, newer calls after older ones.
    mutating func restore(_ key: RequestKey, _ phase: Phase, at slot: Int, now: UInt64) {
        guard entries.indices.contains(slot), entries[slot] == nil else { return }
        if let earlier = slots[key.call] { remove(earlier) }
        insert(key, phase, at: slot, now: now)
    }

    /// To be called once, after the last ``restore(_:_:at:now:)``.
    mutating func restored() {
        free.removeAll { entries[$0] != nil }
    }

    private func isFresh(_ entry: Entry, _ now: UInt64) -> Bool {
        now < entry.time || now - entry.time < limits.lifetime
    }

    private mutating func insert(_ key: RequestKey, _ phase: Phase, at slot: Int, now: UInt64) {
        var client = clients[key.client] ?? Client()
        let entry = Entry(key: key, phase: phase, time: now, older: client.newest, newer: nil)
        if let newest = client.newest { entries[newest]?.newer = slot } else { client.oldest = slot }
        client.newest = slot
        client.count += 1
        client.bytes += entry.bytes
        bytes += entry.bytes
        clients[key.client] = client
        entries[slot] = entry
        slots[key.call] = slot
    }

    /// Frees slots where there are none. Some at once, since it looks at every client.
    private mutating func makeRoom(_ now: UInt64) {
        if now >= swept, now - swept >= limits.lifetime / 4 {
            swept = now
            for (slot, entry) in entries.enumerated() {
                guard let entry, !isFresh(entry, now) else { continue }
                if case .running = entry.phase { continue }
                remove(slot)
            }
        }
        guard free.isEmpty else { return }
        // Of those that have as many, the one that was longest silent.
        let most = clients.max {
            ($0.value.count, $1.value.newest.flatMap { entries[$0]?.time } ?? 0)
                < ($1.value.count, $0.value.newest.flatMap { entries[$0]?.time } ?? 0)
        }
        guard let most else { return }
        for _ in 0..<max(1, most.value.count / 16) {
            guard removeOldest(of: most.key) else { return }
        }
    }

    private mutating func remove(_ slot: Int) {
        guard let entry = entries[slot] else { return }
        entries[slot] = nil
        slots[entry.key.call] = nil
        free.append(slot)
        bytes -= entry.bytes
        if let older = entry.older { entries[older]?.newer = entry.newer }
        if let newer = entry.newer { entries[newer]?.older = entry.older }
        guard var client = clients[entry.key.client] else { return }
        client.count -= 1
        client.bytes -= entry.bytes
        if client.oldest == slot { client.oldest = entry.newer }
        if client.newest == slot { client.newest = entry.older }
        clients[entry.key.client] = client.count == 0 ? nil : client
    }

    /// - Returns: false where all of the client's calls are being done just now.
    private mutating func removeOldest(of client: Digest) -> Bool {
        var next = clients[client]?.oldest
        while let slot = next, let entry = entries[slot] {
            if case .running = entry.phase {
                next = entry.newer
                continue
            }
            remove(slot)
            return true
        }
        return false
    }
}
