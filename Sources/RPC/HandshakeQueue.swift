import Kernel
import Synchronization

/// Handshakes under way, each on a thread. One address has so many of them at most; its others wait for those, so that
/// whoever opens connections and is silent keeps nobody else's handshake from its thread.
final class HandshakeQueue: Sendable {
    /// A handshake to do.
    struct Work: Sendable {
        let run: @Sendable () -> Void
        /// Called in its place where no thread can be had.
        let refuse: @Sendable () -> Void
    }

    private struct Address {
        var running = 0
        var waiting: [Work] = []
    }

    private let perAddress: Int
    private let threads: ThreadPool
    private let addresses = Mutex<[String: Address]>([:])

    /// - Parameter perAddress: handshakes of one address at once, at least one.
    init(perAddress: Int, threads: ThreadPool = ThreadPool("handshake", maximum: 1024, backlog: 4096)) {
        self.perAddress = max(1, perAddress)
        self.threads = threads
    }

    /// Has `work` done, now or behind the address's others.
    func submit(from address: String, _ work: Work) {
        let mayRun = addresses.withLock { addresses in
            guard addresses[address, default: Address()].running < perAddress else {
                addresses[address, default: Address()].waiting.append(work)
                return false
            }
            addresses[address, default: Address()].running += 1
            return true
        }
        guard mayRun else { return }
        let begun = threads.submit { [self] in
            var next: Work? = work
            while let now = next {
                now.run()
                next = follower(of: address)
            }
        }
        if !begun { for refused in [work] + abandoned(by: address) { refused.refuse() } }
    }

    /// Handshakes that wait for one of their address to be over.
    var waiting: Int { addresses.withLock { $0.values.reduce(0) { $0 + $1.waiting.count } } }

    /// The address's next handshake, for the thread that has finished one; nil where it has none.
    private func follower(of address: String) -> Work? {
        addresses.withLock { addresses in
            guard var entry = addresses[address] else { return nil }
            defer { addresses[address] = entry.running == 0 ? nil : entry }
            guard entry.waiting.isEmpty else { return entry.waiting.removeFirst() }
            entry.running -= 1
            return nil
        }
    }

    /// Those that nobody would do any more, where one of an address's handshakes got no thread.
    private func abandoned(by address: String) -> [Work] {
        addresses.withLock { addresses in
            guard var entry = addresses[address] else { return [] }
            entry.running -= 1
            addresses[address] = entry.running == 0 ? nil : entry
            return entry.running == 0 ? entry.waiting : []
        }
    }
}
