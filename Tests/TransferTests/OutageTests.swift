import Kernel
import TestSupport
import Testing

@testable import Transfer

@Suite struct OutageTests {
    private func outage(_ limit: Double?) -> (Outage, Notes) {
        let notes = Notes()
        return (Outage(host: "h", limit: limit) { notes.add($0) }, notes)
    }

    @Test func oneLineForEachEndOfIt() {
        let (outage, notes) = outage(90)
        let first = Deadline.clock
        #expect(outage.left == nil && outage.reason == nil)
        // Four connections break, each found broken by several calls.
        for _ in 0..<4 { outage.begin("it broke", opened: first) }
        outage.begin("refused", opened: nil)
        #expect(notes.list == ["the connection to h was lost (it broke); connecting again; giving up after 90 s"])
        #expect((outage.left ?? 0) > 0 && (outage.left ?? 100) <= 90)
        // A reply that was under way still says nothing.
        outage.end(opened: first)
        #expect(outage.left != nil)
        outage.end(opened: Deadline.clock)
        #expect(outage.left == nil)
        #expect(notes.list.dropFirst() == ["connected to h again"])
        outage.end(opened: Deadline.clock)
        // Another of the old connections is found broken only now.
        outage.begin("it broke", opened: first)
        #expect(notes.list.count == 2 && outage.left == nil)
        outage.begin("again", opened: Deadline.clock)
        #expect(notes.list.count == 3)
    }

    @Test func whoComesLaterHearsWhyItWasGivenUp() {
        let (outage, notes) = outage(0)
        outage.begin("it broke", opened: nil)
        #expect((outage.left ?? 1) <= 0)
        #expect(outage.giveUp("one") == "one")
        #expect(outage.giveUp("two") == "one")
        #expect(outage.reason == "one")
        // A call that was still trying has it again.
        outage.end(opened: Deadline.clock)
        #expect(outage.reason == nil)
        outage.begin("again", opened: nil)
        #expect(outage.reason == nil)
        #expect(notes.list.count == 3)
    }

    @Test func forEver() {
        let (outage, notes) = outage(nil)
        outage.begin("it broke", opened: nil)
        #expect(outage.left == nil)
        #expect(notes.list == ["the connection to h was lost (it broke); connecting again"])
    }

    @Test(arguments: [(600.0, "10 min"), (120, "2 min"), (90, "90 s"), (0.4, "0 s")])
    func timesAreInWords(seconds: Double, words: String) {
        #expect(Outage.words(seconds) == words)
    }
}
