import Kernel
import TestSupport
import Testing

@Suite struct ConditionTests {
    @Test func aWaiterSeesWhatItWaitsFor() throws {
        let condition = Condition(0)
        let waiter = try Running { condition.wait { $0 >= 3 ? $0 : nil } }
        for value in 1...3 { condition.withLock(wake: true) { $0 = value } }
        #expect(try waiter.value(within: 10) == 3)
    }

    @Test func everyWaiterIsWoken() throws {
        let condition = Condition(false)
        let waiters = try (0..<8).map { _ in try Running { condition.wait { $0 ? true : nil } } }
        condition.withLock(wake: true) { $0 = true }
        for waiter in waiters { #expect(try waiter.value(within: 10) == true) }
    }

    @Test func aDeadlineEndsAWait() {
        let begin = Deadline.clock
        let result = Condition(0).wait(until: .after(seconds: 0.05)) { $0 == 1 ? 1 : nil }
        #expect(result == nil && Deadline.clock - begin >= 50_000_000)
    }

    @Test func whatIsThereIsTakenThoughTheDeadlineHasPassed() {
        #expect(Condition(7).wait(until: .after(seconds: -1)) { $0 } == 7)
    }

    @Test func countsOfManyThreadsAddUp() throws {
        let condition = Condition(0)
        let threads = try (0..<4).map { _ in
            try Running { for _ in 0..<5_000 { condition.withLock { $0 += 1 } } }
        }
        for thread in threads { try thread.value() }
        #expect(condition.withLock { $0 } == 20_000)
    }
}
