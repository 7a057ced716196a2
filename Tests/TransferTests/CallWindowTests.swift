import Kernel
import Testing

@testable import Transfer

@Suite struct CallWindowTests {
    private static let mebibyte = 1 << 20

    /// A window after calls of a mebibyte each came at a rate, in bytes a second.
    private func window(roundTrip: Double, rate: Double, calls: Int = 200) async -> CallWindow {
        let window = CallWindow(least: 32)
        window.answered(after: UInt64(roundTrip * 1e9))
        await window.acquire()
        window.release()
        var now = 1e9
        for _ in 0..<calls {
            window.moved(Self.mebibyte, now: UInt64(now))
            now += Double(Self.mebibyte) / rate * 1e9
        }
        return window
    }

    /// Whether as many calls wait in the end.
    private func isReached(_ waiting: Int, _ window: CallWindow) async -> Bool {
        let deadline = Deadline.after(seconds: 20)
        while window.waiting != waiting {
            if deadline.hasPassed { return false }
            await Task.yield()
        }
        return true
    }

    @Test func aShortPathNeedsNoMore() async {
        #expect(await window(roundTrip: 0.0002, rate: 4e9).limit == 32)
        #expect(await window(roundTrip: 0.02, rate: 100e6).limit == 32)
    }

    /// Twice what is on the way.
    @Test func aLongPathIsFilled() async {
        #expect(await window(roundTrip: 0.1, rate: 500e6).limit == 96)
        #expect(await window(roundTrip: 0.02, rate: 1e9).limit == 39)
    }

    @Test func itHasAnEnd() async {
        #expect(await window(roundTrip: 0.5, rate: 10e9).limit == CallWindow.mostCalls)
        let window = CallWindow(least: 32)
        window.answered(after: 500_000_000)
        for now in 1...100 as ClosedRange<UInt64> { window.moved(16 << 20, now: now * 1000) }
        // No more than 256 MiB, whatever the calls' size.
        #expect(window.limit == 256)
    }

    /// What is in flight is bytes: larger calls are fewer.
    @Test func aLargeCallHasSeveralPlaces() async {
        let window = CallWindow(least: 8)
        await window.acquire(4 * Self.mebibyte)
        await window.acquire(3 * Self.mebibyte)
        let large = Task { await window.acquire(2 * Self.mebibyte) }
        #expect(await isReached(1, window))
        // There would be room for it, and it came later.
        let small = Task { await window.acquire() }
        #expect(await isReached(2, window))
        window.release(3 * Self.mebibyte)
        await large.value
        await small.value
        #expect(window.waiting == 0)
    }

    /// Larger calls once they are a quarter of a second on their way at most, unless the path holds more than one of them.
    @Test func aFastPathHasLargerCalls() async {
        #expect(CallWindow(least: 8).size(most: 4 * Self.mebibyte) == Self.mebibyte)
        #expect(await window(roundTrip: 0.001, rate: 17e6).size(most: 4 * Self.mebibyte) == 4 * Self.mebibyte)
        let slow = await window(roundTrip: 0.001, rate: 16e6)
        #expect(slow.size(most: 4 * Self.mebibyte) == Self.mebibyte)
        #expect(slow.size(most: 65_536) == 65_536)
        #expect(await window(roundTrip: 0.004, rate: 1e9).size(most: 4 * Self.mebibyte) == 4 * Self.mebibyte)
        #expect(await window(roundTrip: 0.005, rate: 1e9).size(most: 4 * Self.mebibyte) == Self.mebibyte)
    }

    /// Before it is known how fast the path is.
    @Test func theFirstCalls() async {
        #expect(await window(roundTrip: 0.1, rate: 1, calls: 0).limit == 61)
        #expect(await window(roundTrip: 3, rate: 1, calls: 0).limit == 64)
        #expect(await window(roundTrip: 0.001, rate: 1, calls: 0).limit == 32)
    }

    /// The shortest call counts: others waited behind something.
    @Test func aCallThatWaited() async {
        let window = CallWindow(least: 32)
        for time in [3_000_000_000, 1_000_000, 2_000_000_000] as [UInt64] { window.answered(after: time) }
        await window.acquire()
        #expect(window.limit == 32)
    }

    @Test func whatTheLimitSaysGetsThrough() async {
        let window = await window(roundTrip: 0.1, rate: 500e6)
        for _ in 0..<window.limit { await window.acquire() }
        let waiting = Task { await window.acquire() }
        window.release()
        await waiting.value
    }
}
