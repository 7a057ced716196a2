import Glibc
import Kernel
import Logging
import NFS
import RPC
import SystemPackage
import TestSupport
import Testing

@testable import FileServer

/// The duplicate request cache by itself: what is remembered, of whom, how much, and across what.
@Suite(.enabled(if: TestedLayers.lab == nil, "nothing in it depends on who makes the records; not in the kTLS lab"))
struct RequestCacheTests {
    /// Calls of one client with the number as transaction.
    private func key(_ number: UInt32, of host: String = "192.0.2.1") -> RequestKey { key(call(number, host: host)) }

    private func key(_ call: Call, _ arguments: [UInt8] = [1, 2, 3, 4]) -> RequestKey {
        arguments.withUnsafeBytes { RequestKey(call, arguments: $0) }
    }

    private func call(
        _ transaction: UInt32, host: String = "192.0.2.1", port: UInt16 = 700, procedure: UInt32 = 12,
        credential: Credential = .system(uid: 1, gid: 2, groups: [3]), protection: Peer.Protection = .tls
    ) -> Call {
        Call(
            transaction: transaction, program: NFS.program, version: 3, procedure: procedure, credential: credential,
            peer: Peer(address: "\(host):\(port)", protection: protection))
    }

    private func small(entries: Int = 8, each: Int = 4, bytes: Int = 1 << 20, bytesEach: Int = 1 << 20) -> RequestLimits
    {
        RequestLimits(entries: entries, entriesPerClient: each, bytes: bytes, bytesPerClient: bytesEach)
    }

    private func results(_ answer: Answer) -> [UInt8]? {
        if case .results(let bytes) = answer { bytes } else { nil }
    }

    /// The reply to a call, and whether it was done for that.
    private func ask(_ cache: RequestCache, _ key: RequestKey, _ reply: [UInt8]) -> (reply: [UInt8]?, done: Bool) {
        var done = false
        let answer = cache.answer(key) { _ in
            done = true
            return .results(reply)
        }
        return (results(answer), done)
    }

    /// The slot of a call that is to be done, for the first time.
    private func slot(_ start: RequestTable.Start) throws -> Int {
        guard case .run(let slot, nil) = start else {
            Issue.record("it is not to be done: \(start)")
            throw SystemError("start", .invalidArgument)
        }
        return slot
    }

    // MARK: Keys

    @Test func aClientIsKnownFromAnotherPort() {
        #expect(key(call(7, port: 700)) == key(call(7, port: 701)))
        #expect(key(call(7, host: "[2001:db8::1]", port: 1)) == key(call(7, host: "[2001:db8::1]", port: 2)))
    }

    @Test func everythingElseOfACallTellsItApart() {
        func mutual(_ fingerprint: String) -> Peer.Protection {
            .mutual(PeerCertificate(fingerprint: fingerprint, subject: "CN=x"))
        }
        let keys = [
            key(call(7)), key(call(8)), key(call(7, host: "192.0.2.2")), key(call(7, procedure: 13)),
            key(call(7), [1, 2, 3, 5]), key(call(7), [1, 2, 3, 4, 0, 0, 0, 0]), key(call(7), []),
            key(call(7, credential: .none)), key(call(7, credential: .system(uid: 0, gid: 2, groups: [3]))),
            key(call(7, credential: .system(uid: 1, gid: 0, groups: [3]))),
            key(call(7, credential: .system(uid: 1, gid: 2, groups: [4]))),
            key(call(7, credential: .system(uid: 1, gid: 2, groups: []))),
            // The last group is not the first argument.
            key(call(7, credential: .system(uid: 1, gid: 2, groups: [])), [0, 0, 0, 3, 1, 2, 3, 4]),
            key(call(7, protection: .none)), key(call(7, protection: mutual("aa"))),
            key(call(7, protection: mutual("ab"))),
        ]
        #expect(Set(keys).count == keys.count)
    }

    // MARK: In memory

    @Test func aCallThatIsSentAgainGetsTheFirstReply() {
        let cache = RequestCache(stateFile: nil, log: quiet)
        #expect(ask(cache, key(1), [0, 0, 0, 0, 1]) == ([0, 0, 0, 0, 1], true))
        #expect(ask(cache, key(1), [9]) == ([0, 0, 0, 0, 1], false))
        #expect(ask(cache, key(2), [0, 0, 0, 0, 2]) == ([0, 0, 0, 0, 2], true))
        #expect(cache.count == 2)
    }

    /// A failure is a reply like another; "try again later", and what is no result, are not.
    @Test func whatIsNotRememberedIsDoneAgain() {
        let cache = RequestCache(stateFile: nil, log: quiet)
        let exists: [UInt8] = [0, 0, 0, 17, 0, 0, 0, 0]
        #expect(ask(cache, key(1), exists).done)
        #expect(ask(cache, key(1), []) == (exists, false))
        let jukebox: [UInt8] = [0, 0, 0x27, 0x18, 0, 0, 0, 0]
        #expect(ask(cache, key(2), jukebox).reply == jukebox)
        #expect(ask(cache, key(2), [0, 0, 0, 0]) == ([0, 0, 0, 0], true))
        if case .garbageArguments = cache.answer(key(3), { _ in .garbageArguments }) {} else { Issue.record() }
        #expect(ask(cache, key(3), [0, 0, 0, 0]).done)
    }

    @Test func aCallThatIsBeingDoneIsWaitedFor() throws {
        var table = RequestTable(small())
        let slot = try slot(table.start(key(1), now: 0))
        #expect(table.start(key(1), now: 1) == .wait)
        table.finish(slot, [5], now: 2)
        #expect(table.start(key(1), now: 3) == .reply([5]))

        struct Progress { var (running, others, release, done) = (false, 0, false, 0) }
        let cache = RequestCache(stateFile: nil, log: quiet)
        let progress = Condition(Progress())
        let replies = Condition<[[UInt8]?]>([])
        let one = key(1)
        let first = try Thread("first") {
            let answer = cache.answer(one) { _ in
                progress.withLock(wake: true) { $0.running = true }
                _ = progress.wait { $0.release ? true : nil }
                progress.withLock { $0.done += 1 }
                return .results([42])
            }
            replies.withLock { $0.append(self.results(answer)) }
        }
        _ = progress.wait { $0.running ? true : nil }
        let others = try (0..<4).map { _ in
            try Thread("other") {
                progress.withLock(wake: true) { $0.others += 1 }
                let answer = cache.answer(one) { _ in
                    progress.withLock { $0.done += 1 }
                    return .results([43])
                }
                replies.withLock { $0.append(self.results(answer)) }
            }
        }
        _ = progress.wait { $0.others == 4 ? true : nil }
        // Another call is not held up meanwhile.
        #expect(ask(cache, key(2), [1]) == ([1], true))
        progress.withLock(wake: true) { $0.release = true }
        first.join()
        for other in others { other.join() }
        #expect(progress.withLock { $0.done } == 1)
        #expect(replies.withLock { $0 } == Array(repeating: [42], count: 5))
    }

    /// Whoever waited for a call without a result that is remembered does it.
    @Test func oneThatWaitedForNothingDoesIt() throws {
        let cache = RequestCache(stateFile: nil, log: quiet)
        let running = Condition(false)
        let one = key(1)
        let first = try Thread("first") {
            _ = cache.answer(one) { _ in
                running.withLock(wake: true) { $0 = true }
                return .systemError
            }
        }
        _ = running.wait { $0 ? true : nil }
        #expect(ask(cache, key(1), [7]) == ([7], true))
        first.join()
    }

    // MARK: Bounds

    @Test func aClientPushesOutItsOwnOldestAlone() {
        let cache = RequestCache(nil, small(entries: 8, each: 4), quiet)
        for number in 1...3 { #expect(ask(cache, key(UInt32(number), of: "192.0.2.2"), [9]).done) }
        for number in 1...100 { #expect(ask(cache, key(UInt32(number)), [1]).done) }
        #expect(cache.count == 7)
        for number in 1...3 { #expect(!ask(cache, key(UInt32(number), of: "192.0.2.2"), []).done) }
        for number in 97...100 { #expect(!ask(cache, key(UInt32(number)), []).done) }
        #expect(ask(cache, key(96), [1]).done)
    }

    @Test func theClientWithMostGivesWayWhereAllIsFull() {
        let cache = RequestCache(nil, small(entries: 8, each: 6), quiet)
        for number in 1...6 { _ = ask(cache, key(UInt32(number)), [1]) }
        for host in 2...8 { #expect(ask(cache, key(1, of: "192.0.2.\(host)"), [2]).done) }
        #expect(cache.count == 8)
        // One entry each is left, the newest of the first among them.
        #expect(!ask(cache, key(6), []).done)
        for host in 2...8 { #expect(!ask(cache, key(1, of: "192.0.2.\(host)"), []).done) }
        // Then whoever was longest silent.
        #expect(ask(cache, key(1, of: "192.0.2.9"), [2]).done)
        for host in 2...9 { #expect(!ask(cache, key(1, of: "192.0.2.\(host)"), []).done) }
    }

    @Test func whatIsTooOldGoesFirstWhereAllIsFull() throws {
        var table = RequestTable(small(entries: 4, each: 4))
        let lifetime = RequestLimits().lifetime
        table.finish(try slot(table.start(key(1, of: "192.0.2.2"), now: 0)), [1], now: 0)
        for number in 1...3 { table.finish(try slot(table.start(key(UInt32(number)), now: 0)), [1], now: lifetime) }
        table.finish(try slot(table.start(key(4), now: lifetime)), [1], now: lifetime)
        #expect(table.count == 4 && table.count(of: key(1).client) == 4)
    }

    @Test func bytesAreBoundToo() throws {
        var table = RequestTable(small(entries: 100, each: 100, bytes: 1000, bytesEach: 400))
        func put(_ key: RequestKey, _ size: Int) throws {
            table.finish(try slot(table.start(key, now: 0)), [UInt8](repeating: 1, count: size), now: 0)
        }
        for number in 1...20 { try put(key(UInt32(number)), 100) }
        #expect(table.bytes == 400 && table.count == 4)
        try put(key(21), 401)
        #expect(table.count == 4, "a reply that is too long by itself costs no other")
        for host in 2...9 { for number in 1...4 { try put(key(UInt32(number), of: "192.0.2.\(host)"), 100) } }
        #expect(table.bytes <= 1000)
        #expect(table.count == table.bytes / 100)
    }

    @Test func whatIsBeingDoneIsNeverPushedOut() throws {
        var table = RequestTable(small(entries: 3, each: 2))
        let one = try slot(table.start(key(1), now: 0))
        let two = try slot(table.start(key(2), now: 0))
        #expect(table.start(key(3), now: 0) == .unkept)
        table.finish(two, [2], now: 0)
        _ = try slot(table.start(key(3), now: 0))
        table.finish(one, [1], now: 0)
        #expect(table.start(key(1), now: 0) == .reply([1]))
    }

    @Test func aReplyIsKeptForItsTimeAndNoLonger() throws {
        var table = RequestTable(small())
        let lifetime = RequestLimits().lifetime
        #expect(lifetime >= 120_000_000_000)
        table.finish(try slot(table.start(key(1), now: 5)), [1], now: 10)
        #expect(table.start(key(1), now: 9 + lifetime) == .reply([1]))
        _ = try slot(table.start(key(1), now: 10 + lifetime))
        #expect(table.count == 1)
    }

    // MARK: Across a restart

    private func withState(_ body: (String, Directory) throws -> Void) throws {
        let directory = try Directory(in: Directory.memory)
        try body(directory.path + "/requests", directory)
    }

    @Test func repliesOutliveTheServer() throws {
        try withState { path, _ in
            do {
                let cache = RequestCache(path, small(), quiet)
                for number in 1...3 {
                    #expect(ask(cache, key(UInt32(number)), [0, 0, 0, 0, UInt8(number)]).done)
                }
            }
            for _ in 1...2 {
                let again = RequestCache(path, small(), quiet)
                for number in 1...3 {
                    #expect(ask(again, key(UInt32(number)), []) == ([0, 0, 0, 0, UInt8(number)], false))
                }
            }
            var status = stat()
            #expect(lstat(path, &status) == 0 && status.st_mode & 0o777 == 0o600)
            #expect(status.st_size == 9 * 512)
        }
    }

    /// Slots are used again, and the newest calls are those that are found.
    @Test func theNewestOutliveIt() throws {
        try withState { path, _ in
            for first in [1, 50] {
                let cache = RequestCache(path, small(), quiet)
                for number in first..<first + 50 { _ = ask(cache, key(UInt32(number)), [UInt8(number)]) }
            }
            let cache = RequestCache(path, small(), quiet)
            for number in 96...99 { #expect(ask(cache, key(UInt32(number)), []).reply == [UInt8(number)]) }
            #expect(ask(cache, key(95), [1]).done)
        }
    }

    @Test func aCallThatWasBegunIsDoneAgainKnowingIt() throws {
        try withState { path, _ in
            let record = RequestRecord(key: key(1), sequence: 4, begun: 1234, reply: nil)
            try RequestFile(path, slots: 8).write(record, at: 5)
            for _ in 1...2 {
                // Killed once more while it is done: then as before.
                let cache = RequestCache(path, small(), quiet)
                var since: UInt64?
                _ = cache.answer(key(1)) {
                    since = $0
                    return .systemError
                }
                #expect(since == 1234)
                try overwrite(path, record, slot: 5)
            }
            let cache = RequestCache(path, small(), quiet)
            #expect(ask(cache, key(1), [3]) == ([3], true))
            #expect(ask(cache, key(1), []) == ([3], false))
        }
    }

    private func overwrite(_ path: String, _ record: RequestRecord, slot: Int) throws {
        try overwrite(path, #require(record.encoded()), at: UInt64(512 * (slot + 1)))
    }

    private func overwrite(_ path: String, _ bytes: [UInt8], at offset: UInt64) throws {
        let file = try Files.open(path, O_WRONLY)
        try bytes.withUnsafeBytes { try Files.write(file.raw, $0, at: offset) }
    }

    @Test func aLongReplyIsKeptInMemoryAlone() throws {
        try withState { path, _ in
            let long = [UInt8](repeating: 7, count: RequestRecord.replyLimit + 1)
            do {
                let cache = RequestCache(path, small(), quiet)
                _ = cache.answer(key(1)) { _ in
                    // In the slot behind it, and before the long reply is there.
                    #expect(ask(cache, key(2), [2]).done)
                    return .results(long)
                }
                #expect(ask(cache, key(1), []) == (long, false))
            }
            let cache = RequestCache(path, small(), quiet)
            #expect(ask(cache, key(2), []) == ([2], false))
            #expect(ask(cache, key(1), [1]).done)
        }
    }

    @Test func aDamagedSlotCostsOneCall() throws {
        try withState { path, _ in
            do {
                let cache = RequestCache(path, small(), quiet)
                for number in 1...3 { _ = ask(cache, key(UInt32(number)), [UInt8(number), 0]) }
            }
            let records = try RequestFile(path, slots: 8).records().records
            let slot = try #require(records.first { $0.record.reply == [2, 0] }).slot
            // One bit of the reply
            try overwrite(path, [3], at: UInt64(512 * (slot + 1) + RequestRecord.headLength))
            let log = Collected()
            let again = RequestCache(path, small(), log.logger)
            #expect(log.text.contains("damaged") && log.text.contains("entries lost: 1"), "\(log.text)")
            #expect(!ask(again, key(1), []).done)
            #expect(ask(again, key(2), [2, 0]).done)
            #expect(!ask(again, key(3), []).done)
        }
    }

    @Test(arguments: [0, 1, 511, 512, 512 + 63, 4000]) func aFileThatWasCutShort(size: Int) throws {
        try withState { path, _ in
            do {
                let cache = RequestCache(path, small(), quiet)
                for number in 1...4 { _ = ask(cache, key(UInt32(number)), [1]) }
            }
            truncate(path, size)
            let cache = RequestCache(path, small(), quiet)
            for number in 1...4 { _ = ask(cache, key(UInt32(number)), [1]) }
            for number in 1...4 { #expect(!ask(cache, key(UInt32(number)), []).done) }
        }
    }

    @Test func aForeignFileIsReplacedAndTold() throws {
        try withState { path, directory in
            try directory.write("requests", String(repeating: "no such thing ", count: 1000))
            let log = Collected()
            do {
                let cache = RequestCache(path, small(), log.logger)
                #expect(log.text.contains("begun anew") && log.text.contains(path), "\(log.text)")
                _ = ask(cache, key(1), [1])
            }
            #expect(!ask(RequestCache(path, small(), quiet), key(1), []).done)
            // Another number of slots is another layout.
            let other = Collected()
            _ = RequestCache(path, small(entries: 9), other.logger)
            #expect(other.text.contains("another version"), "\(other.text)")
        }
    }

    @Test func aFileThatCannotBeHadIsToldAndNotFatal() throws {
        try withState { path, directory in
            for make in [
                { mkdir(path, 0o755) }, { symlink("/etc/passwd", path) }, { mkfifo(path, 0o600) },
                { symlink("missing/", path) },
            ] as [() -> Int32] {
                #expect(make() == 0)
                let log = Collected()
                let cache = RequestCache(path, small(), log.logger)
                #expect(log.text.contains("in memory only") && log.text.contains(path), "\(log.text)")
                _ = ask(cache, key(1), [1])
                #expect(!ask(cache, key(1), []).done)
                #expect(rmdir(path) == 0 || unlink(path) == 0)
            }
            let log = Collected()
            _ = RequestCache(path + "/missing", small(), log.logger)
            #expect(log.text.contains("in memory only"))
        }
    }

    @Test func twoServersDoNotShareAFile() throws {
        try withState { path, _ in
            let first = RequestCache(path, small(), quiet)
            let log = Collected()
            let second = RequestCache(path, small(), log.logger)
            #expect(log.text.contains("another server uses it"), "\(log.text)")
            _ = ask(first, key(1), [1])
            #expect(ask(second, key(1), [2]) == ([2], true))
            #expect(!ask(first, key(1), []).done)
        }
    }

    @Test func aDiskThatRefusesLeavesTheMemory() throws {
        try withState { path, _ in
            let log = Collected()
            let cache = RequestCache(path, small(), log.logger)
            _ = ask(cache, key(1), [1])
            let full = try Files.open("/dev/full", O_RDWR)
            let file = try #require(cache.stateDescriptor)
            try systemCall("dup2") { dup2(full.raw, file) }
            for number in 2...4 { _ = ask(cache, key(UInt32(number)), [1]) }
            #expect(log.text.ranges(of: "cannot be written").count == 1, "\(log.text)")
            #expect(log.text.contains("space"), "\(log.text)")
            for number in 1...4 { #expect(!ask(cache, key(UInt32(number)), []).done) }
        }
    }

    /// Whatever a slot says, it is a call, or none.
    @Test func slotsOfRandomBytes() {
        var random = SystemRandomNumberGenerator()
        for round in 0..<600 {
            var slot = (0..<(round % 5 == 0 ? round % 600 : 512)).map { _ in
                UInt8.random(in: .min ... .max, using: &random)
            }
            if round % 2 == 0, slot.count > 16 { slot.replaceSubrange(8..<15, with: [0, 0, 0, 2, 0, 0, 1]) }
            #expect(slot.withUnsafeBytes { RequestRecord.decode($0) } == .damaged)
        }
        let record = RequestRecord(key: key(1), sequence: .max, begun: .max, reply: [1, 2, 3])
        let bytes = record.encoded() ?? []
        #expect(bytes.withUnsafeBytes { RequestRecord.decode($0) } == .record(record))
        for index in bytes.indices {
            var changed = bytes
            changed[index] ^= 0x40
            #expect(changed.withUnsafeBytes { RequestRecord.decode($0) } == .damaged, "byte \(index)")
        }
    }
}

/// A log whose lines can be read.
final class Collected: Sendable {
    private let lines = Condition<[String]>([])

    var text: String { lines.withLock { $0.joined(separator: "\n") } }
    var logger: Logger { Logger(label: "test") { _ in Handler(lines: self.lines) } }

    private struct Handler: LogHandler {
        let lines: Condition<[String]>
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.debug

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let words = (event.metadata ?? [:]).sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
            lines.withLock { $0.append("\(event.message) \(words.joined(separator: " "))") }
        }
    }
}
