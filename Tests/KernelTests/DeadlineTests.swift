import Kernel
import TestSupport
import Testing

@Suite struct DeadlineTests {
    @Test func neverDoesNotCome() {
        #expect(!Deadline.never.hasPassed)
        #expect(Deadline.never.pollTimeout == -1)
        #expect(Deadline.after(seconds: 1e12) == .never || !Deadline.after(seconds: 1e12).hasPassed)
        #expect(Deadline.after(seconds: .infinity) == .never)
    }

    @Test(arguments: [0, -1, -1e300, -Double.infinity] as [Double])
    func nowHasPassed(_ seconds: Double) {
        let deadline = Deadline.after(seconds: seconds)
        #expect(deadline.hasPassed)
        #expect(deadline.pollTimeout == 0)
    }

    @Test func timeoutsAreRoundedUp() {
        // A timeout rounded down would have poll return before the deadline, again and again.
        let timeout = Deadline.after(seconds: 10).pollTimeout
        #expect(timeout > 9_000 && timeout <= 10_000)
        #expect(Deadline.after(seconds: 0.0009).pollTimeout <= 1)
        #expect(Deadline.after(seconds: 1e8).pollTimeout == .max)
        #expect(Deadline.after(seconds: 1) < Deadline.after(seconds: 2))
    }

    @Test func pollReturnsAtTheDeadlineAndNotBefore() throws {
        let link = try Link()
        let begin = Deadline.clock
        #expect(try Poll.wait(link.client.raw, for: Poll.readable, until: .after(seconds: 0.05)) == 0)
        #expect(Deadline.clock - begin >= 50_000_000)
        try sendAll([1], on: link.server.raw)
        #expect(try Poll.wait(link.client.raw, for: Poll.readable, until: .after(seconds: 10)) == Poll.readable)
    }
}
