import NFS
import Synchronization
import TestSupport
import Testing

@testable import Transfer

/// Time that goes on when somebody waits for it, and then at once.
private final class VirtualTime: Sendable {
    private let nanoseconds = Mutex<UInt64>(7_000_000_000)
    /// How much longer a wait takes than it should, nanoseconds.
    private let lateness: @Sendable () -> UInt64

    init(lateness: @escaping @Sendable () -> UInt64 = { 0 }) { self.lateness = lateness }

    var now: UInt64 { nanoseconds.withLock { $0 } }
    func pass(_ span: UInt64) { nanoseconds.withLock { $0 += span } }

    var clock: TokenBucket.Clock {
        TokenBucket.Clock(now: { self.now }) { until throws(CancellationError) in
            if Task.isCancelled { throw CancellationError() }
            self.nanoseconds.withLock { $0 = max($0, until + self.lateness()) }
        }
    }
}

@Suite(.timeLimit(.minutes(2))) struct TokenBucketTests {
    @Test(
        arguments: [100, 999, 1_000_000, 50_000_000, 3_333_333_333, 40_000_000_000] as [UInt64],
        [1, 4096, 65_536, 1_000_003] as [Int])
    func theAverageIsTheRate(rate: UInt64, call: Int) async throws {
        let time = VirtualTime()
        let bucket = TokenBucket(rate: rate, clock: time.clock)
        let start = time.now
        let calls = 20_000
        for _ in 0..<calls { try await bucket.take(call) }
        // The last call's bytes are still to be moved.
        let due = UInt128(calls * call) * 1_000_000_000 / UInt128(rate)
        let span = UInt128(time.now - start)
        // A nanosecond is not divided.
        #expect(span <= due + 1 && span + 50_000_000 + due / UInt128(calls) + 1 >= due)
        #expect(bucket.account.bytes == UInt64(calls * call))
    }

    @Test func waitsThatTakeLongerCostNothingOfTheRate() async throws {
        let time = VirtualTime(lateness: { UInt64.random(in: 0...4_000_000) })
        let bucket = TokenBucket(rate: 50_000_000, clock: time.clock)
        let start = time.now
        for _ in 0..<10_000 { try await bucket.take(65_536) }
        let seconds = Double(time.now - start) / 1e9
        #expect(abs(10_000 * 65_536 / seconds / 50e6 - 1) < 0.02)
    }

    /// Whatever the pauses and sizes: no span of time has more than its share, a burst and a call.
    @Test func noSpanHasMoreThanItsShare() async throws {
        var random = SeededRandom(4)
        for _ in 0..<20 {
            let time = VirtualTime()
            let rate = UInt64.random(in: 10_000...100_000_000, using: &random)
            let bucket = TokenBucket(rate: rate, clock: time.clock)
            var taken: [(at: UInt64, bytes: Int)] = []
            for _ in 0..<300 {
                if Int.random(in: 0..<4, using: &random) == 0 {
                    time.pass(.random(in: 0...300_000_000, using: &random))
                }
                let bytes = Int.random(in: 1...100_000, using: &random)
                try await bucket.take(bytes)
                taken.append((time.now, bytes))
            }
            var worst = 0.0
            for first in taken.indices {
                var sum = 0
                for last in first..<taken.endIndex {
                    sum += taken[last].bytes
                    let seconds = Double(taken[last].at - taken[first].at) / 1e9
                    worst = max(worst, Double(sum) - Double(rate) * seconds)
                }
            }
            #expect(worst <= Double(rate) * 0.05 + 100_001)
        }
    }

    /// A clock whose waits end when the test says so.
    private final class Gate: Sendable {
        let opened = Mutex<(isOpen: Bool, waiting: [CheckedContinuation<Void, Never>])>((false, []))

        var clock: TokenBucket.Clock {
            TokenBucket.Clock(now: { 1 }) { _ throws(CancellationError) in
                await withTaskCancellationHandler {
                    await withCheckedContinuation { continuation in
                        let now = self.opened.withLock { opened in
                            if !opened.isOpen && !Task.isCancelled { opened.waiting.append(continuation) }
                            return opened.isOpen || Task.isCancelled
                        }
                        if now { continuation.resume() }
                    }
                } onCancel: {
                    self.letGo(open: false)
                }
                if Task.isCancelled { throw CancellationError() }
            }
        }

        func letGo(open: Bool) {
            let waiting = opened.withLock { opened in
                if open { opened.isOpen = true }
                defer { opened.waiting = [] }
                return opened.waiting
            }
            for continuation in waiting { continuation.resume() }
        }
    }

    private func lineUp(
        _ count: Int, _ bucket: TokenBucket, _ body: @escaping @Sendable (Int) -> Void
    ) async -> [Task<Bool, Never>] {
        var tasks: [Task<Bool, Never>] = []
        for number in 0..<count {
            tasks.append(
                Task {
                    do throws(CancellationError) { try await bucket.take(1000 + number) } catch { return false }
                    body(number)
                    return true
                })
            // The first is the head, and waits for time.
            while bucket.account.waits == 0 || bucket.lineLength < number { await Task.yield() }
        }
        return tasks
    }

    @Test func eachHasItsTurn() async {
        let gate = Gate()
        let bucket = TokenBucket(rate: 1, clock: gate.clock)
        let tasks = await lineUp(3000, bucket) { _ in }
        #expect(bucket.lineLength == 2999)
        #expect(bucket.account.bytes == 0)
        gate.letGo(open: true)
        for task in tasks { #expect(await task.value) }
        #expect(bucket.lineLength == 0)
        #expect(bucket.account.bytes == UInt64((0..<3000).map { 1000 + $0 }.reduce(0, +)))
    }

    @Test(arguments: [[0], [1], [5, 6, 7], [9], [0, 1, 9], Array(0..<10)]) func whoIsCancelledLeavesTheLine(gone: [Int])
        async
    {
        let gate = Gate()
        let bucket = TokenBucket(rate: 1, clock: gate.clock)
        let through = Mutex<Set<Int>>([])
        let tasks = await lineUp(10, bucket) { number in through.withLock { _ = $0.insert(number) } }
        for number in gone { tasks[number].cancel() }
        // They need nobody's turn for it.
        for number in gone { #expect(await tasks[number].value == false) }
        #expect(bucket.account.bytes == 0)
        gate.letGo(open: true)
        let left = (0..<10).filter { !gone.contains($0) }
        for number in left { #expect(await tasks[number].value) }
        #expect(through.withLock { $0 } == Set(left))
        #expect(bucket.account.bytes == UInt64(left.map { 1000 + $0 }.reduce(0, +)))
        // And the line is as good as new.
        #expect(await Task { (try? await bucket.take(5)) != nil }.value)
    }

    @Test func whoIsCancelledBeforeTakesNothing() async {
        let bucket = TokenBucket(rate: 1, clock: VirtualTime().clock)
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            await #expect(throws: CancellationError.self) { try await bucket.take(5) }
        }
        await task.value
        #expect(bucket.account == TokenBucket.Account())
    }

    @Test func whatIsGivenBackIsThereAgain() async throws {
        let time = VirtualTime()
        let bucket = TokenBucket(rate: 1000, clock: time.clock)
        let start = time.now
        for _ in 0..<100 {
            try await bucket.take(1000)
            bucket.giveBack(900)
        }
        #expect(bucket.account.bytes == 10_000)
        #expect((9_000_000_000...10_000_000_000).contains(time.now - start))
    }

    @Test(arguments: [(1, 16384), (327_680, 16384), (655_360, 32768), (50_000_000, 2 << 20), (UInt64.max, 4 << 20)])
    func piecesAreFewMilliseconds(rate: UInt64, piece: Int) {
        #expect(TokenBucket(rate: rate).piece == piece)
    }

    // MARK: In a session

    private static let rate: UInt64 = 2_000_000
    private static let content = pattern(3_000_001)

    @Test func aGetKeepsToIt() async throws {
        let server = try ForeignServer()
        server.state.add("file", Self.content)
        let directory = TemporaryDirectory()
        let time = VirtualTime()
        let bucket = TokenBucket(rate: Self.rate, clock: time.clock)
        let start = time.now
        let report = try await withMount(server, "xprtsec=none,nconnect=3", bandwidth: bucket) { remote, _ in
            try await Copy(remote: remote, rules: CopyRules(), progress: Progress())
                .get("/data/file", to: directory.path)
        }
        #expect(report.failures.isEmpty && TestSupport.bytes(of: directory.path + "/file") == Self.content)
        #expect(bucket.account.bytes == 3_000_001)
        // One and a half seconds, but for what is taken ahead.
        #expect((1_400_000_000...1_501_000_000).contains(time.now - start))
        #expect(server.state.content.withLock { $0.reads.allSatisfy { $0.count <= 65_536 } })
    }

    /// Where the connection breaks, calls are made again, and their bytes taken again.
    @Test func whatIsFetchedAgainCountsAgain() async throws {
        var behaviour = Behaviour()
        behaviour.losesReply = [.read]
        let server = try ForeignServer(behaviour: behaviour)
        server.state.add("file", Self.content)
        let directory = TemporaryDirectory()
        let bucket = TokenBucket(rate: Self.rate, clock: VirtualTime().clock)
        let report = try await withMount(server, bandwidth: bucket) { remote, _ in
            try await Copy(remote: remote, rules: CopyRules(), progress: Progress())
                .get("/data/file", to: directory.path)
        }
        #expect(report.failures.isEmpty && TestSupport.bytes(of: directory.path + "/file") == Self.content)
        #expect(bucket.account.bytes >= 3_000_001 + 65_536)
    }

    /// A server that wants to be asked later has had the bytes of the WRITE all the same.
    @Test func aPutKeepsToItWithWhatIsSentAgain() async throws {
        var behaviour = Behaviour()
        behaviour.status = { procedure, count in procedure == .write && count == 1 ? .jukebox : nil }
        let server = try ForeignServer(behaviour: behaviour)
        let directory = TemporaryDirectory()
        let path = directory.path + "/source"
        try TestSupport.write(Self.content, to: path)
        let time = VirtualTime()
        let bucket = TokenBucket(rate: Self.rate, clock: time.clock)
        let start = time.now
        let report = try await withMount(server, bandwidth: bucket) { remote, _ in
            try await Copy(remote: remote, rules: CopyRules(), progress: Progress()).put(path, to: "/data/copy")
        }
        #expect(report.failures.isEmpty)
        #expect(try server.state.bytes("copy") == Self.content)
        let account = bucket.account.bytes
        #expect((3_000_002...3_065_537).contains(account))
        let due = account * 1_000_000_000 / Self.rate
        #expect((due - 100_000_000...due + 1_000_000).contains(time.now - start))
    }
}
