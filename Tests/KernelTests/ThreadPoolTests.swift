import Glibc
import Kernel
import TestSupport
import Testing

@Suite struct ThreadPoolTests {
    @Test func allWorkIsDone() throws {
        let pool = ThreadPool("test", maximum: 4, backlog: 10_000)
        let done = Condition(0)
        for _ in 0..<2_000 { #expect(pool.submit { done.withLock(wake: true) { $0 += 1 } }) }
        #expect(done.wait(until: .after(seconds: 20)) { $0 == 2_000 ? true : nil } == true)
    }

    @Test func noMoreThreadsThanAllowed() throws {
        let pool = ThreadPool("test", maximum: 3, backlog: 100)
        let state = Condition((running: 0, most: 0, done: 0))
        for _ in 0..<30 {
            #expect(
                pool.submit {
                    state.withLock {
                        $0.running += 1
                        $0.most = max($0.most, $0.running)
                    }
                    usleep(1000)
                    state.withLock(wake: true) {
                        $0.running -= 1
                        $0.done += 1
                    }
                })
        }
        #expect(state.wait(until: .after(seconds: 20)) { $0.done == 30 ? true : nil } == true)
        #expect(state.withLock { $0.most } <= 3)
    }

    @Test func aFullBacklogRefuses() throws {
        let pool = ThreadPool("test", maximum: 1, backlog: 2)
        let gate = Condition(false)
        let started = Condition(0)
        let work: @Sendable () -> Void = {
            started.withLock(wake: true) { $0 += 1 }
            _ = gate.wait { $0 ? true : nil }
        }
        #expect(pool.submit(work))
        #expect(started.wait(until: .after(seconds: 10)) { $0 == 1 ? true : nil } == true)
        #expect(pool.submit(work) && pool.submit(work))
        #expect(!pool.submit(work))
        gate.withLock(wake: true) { $0 = true }
        #expect(started.wait(until: .after(seconds: 10)) { $0 == 3 ? true : nil } == true)
    }

    /// Blocked work does not keep other work from a thread of its own.
    @Test func blockedWorkDelaysNobody() throws {
        let pool = ThreadPool("test", maximum: 64, backlog: 64)
        let gate = Condition(false)
        for _ in 0..<20 { #expect(pool.submit { _ = gate.wait { $0 ? true : nil } }) }
        let ran = Condition(false)
        #expect(pool.submit { ran.withLock(wake: true) { $0 = true } })
        #expect(ran.wait(until: .after(seconds: 10)) { $0 ? true : nil } == true)
        gate.withLock(wake: true) { $0 = true }
    }

    /// Where no thread can be had, the work is refused, and is not done later on somebody else's account.
    @Test func workIsRefusedWhereNoThreadCanBeHad() throws {
        let pool = ThreadPool("test", maximum: 8, backlog: 8, start: { _, _ in false })
        let ran = Condition(0)
        #expect(!pool.submit { ran.withLock { $0 += 1 } })
        #expect(!pool.submit { ran.withLock { $0 += 1 } })
        #expect(ran.withLock { $0 } == 0)
    }

    @Test func workWaitsForAThreadThatExistsWhereNoOtherCanBeHad() throws {
        let allowed = Condition(1)
        let pool = ThreadPool(
            "test", maximum: 8, backlog: 8,
            start: { name, body in
                guard allowed.withLock({ left in (left > 0, left -= 1).0 }) else { return false }
                return (try? Kernel.Thread.detached(name, body)) != nil
            })
        let gate = Condition(false)
        let ran = Condition(0)
        let work: @Sendable () -> Void = {
            _ = gate.wait { $0 ? true : nil }
            ran.withLock(wake: true) { $0 += 1 }
        }
        for _ in 0..<4 { #expect(pool.submit(work)) }
        gate.withLock(wake: true) { $0 = true }
        #expect(ran.wait(until: .after(seconds: 10)) { $0 == 4 ? true : nil } == true)
    }
}
