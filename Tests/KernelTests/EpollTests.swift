import Kernel
import TestSupport
import Testing

@Suite struct EpollTests {
    @Test func oneShotComesOnceUntilItIsArmedAgain() throws {
        let epoll = try Epoll()
        let link = try Link()
        try epoll.add(link.client.raw, token: 42, events: Epoll.readable | Epoll.oneShot)
        #expect(try epoll.wait(until: .after(seconds: 0)) == nil)
        try sendAll([1, 2], on: link.server.raw)
        let event = try #require(try epoll.wait(until: .after(seconds: 10)))
        #expect(event.token == 42 && event.events & Epoll.readable != 0)
        // Bytes are still there, and it says nothing.
        #expect(try epoll.wait(until: .after(seconds: 0.02)) == nil)
        try epoll.rearm(link.client.raw, token: 43, events: Epoll.readable | Epoll.oneShot)
        #expect(try #require(try epoll.wait(until: .after(seconds: 10))).token == 43)
    }

    @Test func oneEventGoesToOneThread() throws {
        let epoll = try Epoll()
        let link = try Link()
        try epoll.add(link.client.raw, token: 1, events: Epoll.readable | Epoll.oneShot)
        let waiters = try (0..<4).map { _ in try Running { try epoll.wait(until: .after(seconds: 0.3)) != nil } }
        try sendAll([1], on: link.server.raw)
        #expect(try waiters.map { try $0.value() }.count { $0 } == 1)
    }

    @Test func whatIsRemovedSaysNothing() throws {
        let epoll = try Epoll()
        let link = try Link()
        try epoll.add(link.client.raw, token: 1, events: Epoll.readable)
        try sendAll([1], on: link.server.raw)
        try epoll.remove(link.client.raw)
        #expect(try epoll.wait(until: .after(seconds: 0.02)) == nil)
    }

    /// Errors come though nobody asked for them: who waits for writing hears of a reset.
    @Test func aResetIsReportedToWhoAskedForNothing() throws {
        let epoll = try Epoll()
        let ends = try Socket.pair()
        let here = Descriptor(takingOwnershipOf: ends.0)
        try epoll.add(here.raw, token: 1, events: Epoll.oneShot)
        do { _ = Descriptor(takingOwnershipOf: ends.1).raw }
        let event = try #require(try epoll.wait(until: .after(seconds: 10)))
        #expect(event.events & Epoll.failed != 0)
    }

    @Test func anEventDescriptorStaysReadableUntilCleared() throws {
        let event = try EventDescriptor()
        #expect(try Poll.wait(event.raw, for: Poll.readable, until: .after(seconds: 0)) == 0)
        event.signal()
        event.signal()
        for _ in 0..<2 { #expect(try Poll.wait(event.raw, for: Poll.readable, until: .after(seconds: 0)) != 0) }
        event.clear()
        #expect(try Poll.wait(event.raw, for: Poll.readable, until: .after(seconds: 0)) == 0)
    }
}
