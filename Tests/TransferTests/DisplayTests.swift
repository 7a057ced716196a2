import Testing

@testable import Transfer
@testable import xfer

@Suite struct UnitsTests {
    @Test(
        arguments: [
            (0, "0 B"), (999, "999 B"), (1000, "1.00 kB"), (1049, "1.05 kB"), (9994, "9.99 kB"), (9996, "10.0 kB"),
            (99_940, "99.9 kB"), (99_960, "100 kB"), (999_499, "999 kB"), (999_500, "1.00 MB"),
            (1_050_000_000, "1.05 GB"),
            (5e18, "5000 PB"), (-1, "0 B"),
        ] as [(Double, String)]) func bytesHaveThreeDigits(count: Double, text: String)
    { #expect(Units.bytes(count) == text) }

    @Test(
        arguments: [
            (0, "0:00"), (59.9, "0:59"), (60, "1:00"), (3599, "59:59"), (3600, "1:00:00"), (3661, "1:01:01"),
            (-5, "0:00"),
            (1e300, "99:59:59"),
        ] as [(Double, String)]) func durations(seconds: Double, text: String)
    { #expect(Units.duration(seconds) == text) }

    @Test func seconds() {
        #expect(Units.seconds(0.004) == "0.00 s")
        #expect(Units.seconds(9.876) == "9.88 s")
        #expect(Units.seconds(61.04) == "61.0 s")
    }
}

@Suite struct RateMeterTests {
    @Test func isTheRateOfTheLastSeconds() {
        var meter = RateMeter()
        #expect(meter.perSecond == 0)
        meter.add(bytes: 0, at: 10)
        #expect(meter.perSecond == 0)
        for second in 1...10 { meter.add(bytes: 100 * second, at: 10 + Double(second)) }
        #expect(abs(meter.perSecond - 100) < 1e-9)
        // A stall shows within the span, and old speed is forgotten.
        for second in 11...20 { meter.add(bytes: 1000, at: 10 + Double(second)) }
        #expect(meter.perSecond == 0)
    }

    @Test func goesNotBelowZeroWhenAFileIsWrittenAgain() {
        var meter = RateMeter()
        meter.add(bytes: 500, at: 1)
        meter.add(bytes: 100, at: 2)
        #expect(meter.perSecond == 0)
    }
}

@Suite struct ProgressLineTests {
    private let half = Progress.Snapshot(
        doneBytes: 50_000_000, knownBytes: 100_000_000, doneFiles: 0, knownFiles: 1, isComplete: true)

    @Test func saysBytesRateAndTimeLeft() {
        let line = ProgressLine.text(half, label: "report.pdf", rate: 10_000_000, width: 80)
        #expect(line.hasPrefix("report.pdf ["))
        #expect(line.contains("50% 50.0 MB 10.0 MB/s 0:05"))
        let bar = line.drop { $0 != "[" }.dropFirst().prefix { $0 != "]" }
        #expect(bar.count > 4 && bar.filter { $0 == "=" }.count == bar.count / 2)
    }

    @Test(arguments: [0, 1, 10, 20, 40, 79, 80, 200]) func neverWraps(width: Int) {
        for label in ["a", String(repeating: "long name ", count: 30)] {
            #expect(ProgressLine.text(half, label: label, rate: 1e12, width: width).count <= max(0, width - 1))
        }
    }

    @Test func withoutARateThereIsNoTimeLeft() {
        #expect(ProgressLine.text(half, label: "f", rate: 0, width: 80).hasSuffix("-:--"))
    }

    @Test func whatIsNotListedYetHasNoPercentage() {
        let some = Progress.Snapshot(doneBytes: 5, knownBytes: 10, doneFiles: 3, knownFiles: 9, isComplete: false)
        let line = ProgressLine.text(some, label: "tree", rate: 1, width: 80)
        #expect(line.contains("3/9 files") && !line.contains("%") && !line.contains("["))
    }

    @Test func moreThanAllIsAll() {
        var snapshot = half
        snapshot.doneBytes = 150_000_000
        let line = ProgressLine.text(snapshot, label: "f", rate: 1, width: 80)
        #expect(line.contains("100%") && line.hasSuffix("0:00"))
    }
}
