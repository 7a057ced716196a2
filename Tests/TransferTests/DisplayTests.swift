import Glibc
import Kernel
import NFS
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

@Suite struct ProgressLayoutTests {
    private let half = Progress.Snapshot(
        doneBytes: 50_000_000, knownBytes: 100_000_000, doneFiles: 0, knownFiles: 1, isComplete: true)
    private let tree = Progress.Snapshot(
        doneBytes: 1_234_000_000, knownBytes: 3_400_000_000, doneFiles: 340, knownFiles: 1200, isComplete: true)

    private func overall(_ progress: Progress.Snapshot, label: String, rate: Double, columns: Int) -> String {
        ProgressLayout.overall(progress, label: label, rate: rate, columns: columns).text
    }

    @Test func saysBytesRateAndTimeLeft() {
        let line = overall(half, label: "report.pdf", rate: 10_000_000, columns: 79)
        #expect(line.hasPrefix("report.pdf ["))
        #expect(line.hasSuffix("]  50%  50.0 MB/100 MB  10.0 MB/s  0:05"))
        let bar = line.drop { $0 != "[" }.dropFirst().prefix { $0 != "]" }
        #expect(bar.count >= 6 && bar.filter { $0 == "=" }.count == bar.count / 2)
    }

    @Test(
        arguments: [
            (120, "tree [==========                    ]  36%  340/1200 files  1.23 GB/3.40 GB  100 MB/s  0:22"),
            (65, "tree [= ]  36%  340/1200 files  1.23 GB/3.40 GB  100 MB/s  0:22"),
            (60, "tree  36%  340/1200 files  1.23 GB/3.40 GB  100 MB/s  0:22"),
            (39, "36% 1.23 GB/3.40 GB 100 MB/s 0:22"), (32, "36% 100 MB/s 0:22"), (16, "36% 0:22"), (7, "36%"),
            (2, ""), (0, ""),
        ]) func fewerPartsInFewerColumns(columns: Int, text: String)
    {
        let line = overall(tree, label: "tree", rate: 1e8, columns: columns)
        // How long the bar is is not the point.
        func plain(_ text: String) -> String { text.replacing(#/\[[= ]*\]/#, with: "[]") }
        #expect(plain(line) == plain(text))
    }

    @Test(arguments: 0...200) func neverWraps(width: Int) {
        let labels = ["a", String(repeating: "long name ", count: 30), String(repeating: "名前", count: 50)]
        let files = (0..<9).map {
            ProgressLayout.File(path: "\(labels[$0 % 3])/\($0)\u{1b}[2J", bytes: 1000, doneBytes: $0 * 100)
        }
        for label in labels {
            for progress in [
                half, tree,
                Progress.Snapshot(doneBytes: 5, knownBytes: 9, doneFiles: 0, knownFiles: 3, isComplete: false),
            ] {
                let lines = ProgressLayout.lines(
                    progress, files: files, label: label, rate: 1e12, size: Terminal.Size(columns: width, rows: 24))
                #expect(lines.allSatisfy { $0.columns <= max(0, width - 1) && !$0.text.contains("\u{1b}") })
            }
        }
    }

    @Test func withoutARateThereIsNoTimeLeft() {
        #expect(overall(half, label: "f", rate: 0, columns: 79).hasSuffix("-:--"))
    }

    @Test func whatIsNotListedYetHasNoPercentage() {
        let some = Progress.Snapshot(doneBytes: 5, knownBytes: 10, doneFiles: 3, knownFiles: 9, isComplete: false)
        let line = overall(some, label: "tree", rate: 1, columns: 79)
        #expect(line == "tree 3/9 files  5 B  1 B/s")
    }

    @Test func moreThanAllIsAll() {
        var snapshot = half
        snapshot.doneBytes = 150_000_000
        let line = overall(snapshot, label: "f", rate: 1, columns: 79)
        #expect(line.contains("100%") && line.hasSuffix("0:00"))
    }

    @Test(arguments: [(24, 8), (12, 5), (6, 2), (4, 1), (3, 0), (1, 0)]) func filesAsTheHeightAllows(
        rows: Int, count: Int
    ) {
        let files = (0..<20).map { ProgressLayout.File(path: "f\($0)", bytes: 10, doneBytes: 5) }
        let lines = ProgressLayout.lines(
            tree, files: files, label: "t", rate: 1, size: Terminal.Size(columns: 80, rows: rows))
        #expect(lines.count == 1 + count)
        #expect(lines.count <= rows)
        #expect(lines.dropFirst().enumerated().allSatisfy { $1.text.hasPrefix("  f\($0) ") })
    }

    @Test func oneFileNeedsOneLine() {
        let file = ProgressLayout.File(path: "f", bytes: 100, doneBytes: 50)
        let size = Terminal.Size(columns: 80, rows: 24)
        #expect(ProgressLayout.lines(half, files: [file], label: "f", rate: 1, size: size).count == 1)
    }
}

@Suite struct DisplayTextTests {
    @Test(
        arguments: [
            ("abc", 3), ("", 0), ("名前", 4), ("e\u{301}", 1), ("🎉", 2), ("❤️", 2), ("\u{200b}", 0), ("é", 1),
        ] as [(String, Int)]) func columnsAreThoseOfATerminal(text: String, columns: Int)
    { #expect(DisplayText.columns(text) == columns) }

    @Test(
        arguments: [
            ("short", 10, "short"), ("0123456789", 7, "012…789"), ("0123456789", 6, "01…789"),
            ("名前名前名前", 7, "名…名前"), ("名前名前名前", 6, "名…前"), ("名前名前名前", 8, "名…名前"), ("abcdef", 3, "abc"), ("名前", 1, ""),
            ("anything", 0, ""),
        ] as [(String, Int, String)]) func theMiddleIsLeftOut(text: String, limit: Int, short: String)
    {
        #expect(DisplayText.shortened(text, to: limit) == short)
        #expect(DisplayText.columns(DisplayText.shortened(text, to: limit)) <= limit)
    }

    @Test func whatMovesTheCursorOrTurnsTextRoundIsNotShown() {
        #expect(DisplayText.printable("a\u{1b}[2J\nb\u{202e}c\u{9b}d\u{7f}") == "a?[2J?b?c?d?")
        #expect(DisplayText.printable("a\tb\n", keeping: ["\t", "\n"]) == "a\tb\n")
    }
}

@Suite struct BlockTests {
    private func lines(_ texts: String...) -> [DisplayLine] { texts.map { DisplayLine($0) } }

    @Test func isDrawnOverInPlace() {
        var block = Block()
        #expect(
            block.draw(lines("one", "two", "three"), columns: 80, colored: false)
                == "\u{1b}[?7l\rone\u{1b}[K\r\ntwo\u{1b}[K\r\nthree\u{1b}[K\u{1b}[J\r\u{1b}[?7h")
        // Two lines up, and what is left of the third is cleared.
        #expect(
            block.draw(lines("1", "2"), columns: 80, colored: false)
                == "\u{1b}[?7l\r\u{1b}[2A1\u{1b}[K\r\n2\u{1b}[K\u{1b}[J\r\u{1b}[?7h")
        #expect(block.clear(columns: 80) == "\r\u{1b}[1A\u{1b}[K\u{1b}[C\u{1b}[J\r")
        #expect(block.isEmpty && block.clear(columns: 80) == "")
    }

    @Test func aNarrowerTerminalHasWrappedWhatWasThere() {
        var block = Block()
        let long = String(repeating: "x", count: 79)
        _ = block.draw(lines(long, long, "end"), columns: 80, colored: false)
        #expect(block.clear(columns: 40) == "\r\u{1b}[4A\u{1b}[K\u{1b}[C\u{1b}[J\r")
    }

    @Test func whatWasForgottenStays() {
        var block = Block()
        _ = block.draw(lines("one", "two"), columns: 80, colored: false)
        block.forget()
        #expect(block.draw(lines("1"), columns: 80, colored: false) == "\u{1b}[?7l\r1\u{1b}[K\u{1b}[J\r\u{1b}[?7h")
    }

    @Test func coloursOnlyWhereTheyAreWanted() {
        var line = DisplayLine("a")
        line.append("==", .bar)
        #expect(line.rendered(colored: true) == "a\u{1b}[32m==\u{1b}[0m")
        #expect(line.rendered(colored: false) == "a==")
        #expect(line.columns == 3)
    }

    @Test func theEnvironmentSaysWhatTheTerminalCanDo() {
        #expect(TerminalSettings(term: "xterm", noColor: nil).isColored)
        #expect(TerminalSettings(term: "xterm", noColor: "").isColored)
        #expect(!TerminalSettings(term: "xterm", noColor: "1").isColored)
        #expect(TerminalSettings(term: "xterm", noColor: "1").canMove)
        #expect(!TerminalSettings(term: "dumb", noColor: nil).canMove)
        #expect(!TerminalSettings(term: nil, noColor: nil).canMove)
    }
}

@Suite struct FilesInFlightTests {
    @Test func theOneThatBeganFirstIsFirstWhicheverEnd() {
        let progress = Progress()
        let first = progress.begin("first", bytes: 1)
        var others = (0..<2000).map { progress.begin("\($0)", bytes: 1) }
        #expect(progress.filesInFlight(3).map(\.path) == ["first", "0", "1"])
        others.shuffle()
        let left = Set(others.suffix(3).map(\.path))
        for file in others.dropLast(3) { progress.end(file, isDone: true) }
        let paths = progress.filesInFlight(10).map(\.path)
        #expect(paths.first == "first" && Set(paths.dropFirst()) == left)
        #expect(paths.dropFirst().compactMap { Int($0) } == left.compactMap { Int($0) }.sorted())
        progress.end(first, isDone: false)
        // Ended twice is ended.
        progress.end(first, isDone: false)
        #expect(progress.filesInFlight(10).count == 3)
        #expect(progress.filesInFlight(0).isEmpty && progress.filesInFlight(-1).isEmpty)
        #expect(progress.snapshot.doneFiles == 1997)
        // A file and its progress have each other until it has ended.
        for file in others.suffix(3) { progress.end(file, isDone: false) }
        #expect(progress.filesInFlight(10).isEmpty)
    }
}

@Suite struct EventsTests {
    @Test func anItemIsALine() throws {
        let pipe = try Pipe.open()
        let events = Events(pipe.write.raw)
        events.item(
            Item(.update, .regular, "a \"b\"", bytes: 7, reasons: [.size, .time], detail: "x\ny"))
        events.item(Item(.skip, .fifo, "pipe"))
        events.notice("lost")
        #expect(
            pipe.text(3) == """
                {"event":"item","action":"update","type":"file","path":"a \\"b\\"","bytes":7,"reasons":["size","time"],"detail":"x\\ny"}
                {"event":"item","action":"skip","type":"fifo","path":"pipe"}
                {"event":"notice","message":"lost"}

                """)
    }

    @Test func theSummaryHasStatusAndProtection() throws {
        let pipe = try Pipe.open()
        var report = Report()
        report.files = 2
        report.bytes = 1000
        report.failures = [TransferError(.local, "no")]
        Events(pipe.write.raw).summary(
            report, status: 3, seconds: 2,
            protections: [.init(cipher: "TLS_AES_128_GCM_SHA256", recordLayer: "user", peer: "CN=x")])
        #expect(
            pipe.text(1) == """
                {"event":"summary","status":3,"files":2,"directories":0,"links":0,"bytes":1000,"failed":1,"left_out":0,"seconds":2.0,"rate":500.0,"protection":[{"cipher":"TLS_AES_128_GCM_SHA256","record_layer":"user","peer":"CN=x"}]}

                """)
    }

    @Test func summaryInWords() {
        var report = Report()
        report.files = 12
        report.links = 1
        report.bytes = 3_400_000_000
        let tls = Session.ProtectionReport(cipher: "TLS_AES_128_GCM_SHA256", recordLayer: "user", peer: "CN=a")
        #expect(
            Summary.text(report, seconds: 2.125, protections: [tls])
                == "12 files, 1 link, 3.40 GB in 2.13 s (1.60 GB/s), TLS 1.3 TLS_AES_128_GCM_SHA256 user layer, peer CN=a"
        )
        report = Report()
        report.files = 1
        report.failures = [TransferError(.local, "no")]
        report.skipped = ["pipe"]
        let none = Session.ProtectionReport(cipher: "none", recordLayer: "none", peer: "b")
        #expect(
            Summary.text(report, seconds: 1, protections: [tls, none])
                == "1 file, 0 B in 1.00 s (0 B/s), 1 failed, 1 left out, "
                + "TLS 1.3 TLS_AES_128_GCM_SHA256 user layer, peer CN=a; not protected: cleartext")
    }
}

/// A pipe whose reading end is read line by line.
private struct Pipe {
    let read: SharedDescriptor
    let write: SharedDescriptor

    static func open() throws -> Pipe {
        var ends: [Int32] = [-1, -1]
        try systemCall("pipe") { pipe(&ends) }
        return Pipe(
            read: SharedDescriptor(Descriptor(takingOwnershipOf: ends[0])),
            write: SharedDescriptor(Descriptor(takingOwnershipOf: ends[1])))
    }

    /// The first lines.
    func text(_ lines: Int) -> String {
        var bytes: [UInt8] = []
        var byte: UInt8 = 0
        while bytes.count(where: { $0 == 10 }) < lines, Glibc.read(read.raw, &byte, 1) == 1 { bytes.append(byte) }
        return String(decoding: bytes, as: UTF8.self)
    }
}
