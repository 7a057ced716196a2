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
        // No more than 256 MiB of calls of 16 MiB.
        #expect(window.limit == 32)
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
