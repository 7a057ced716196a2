import Glibc
import TestSupport
import Testing

extension Site {
    /// Starts `xfer jobs COMMAND`.
    func jobs(_ command: String, _ arguments: String..., options: String? = nil) throws -> RunningProgram {
        let connects = command == "run" || command == "retry"
        return try RunningProgram(
            [Programs.path("xfer"), "jobs", command]
                + (connects
                    ? ["--record-layer", layer.rawValue, "-o", "port=\(port)", "-o", options ?? credentials] : [])
                + arguments,
            environment: ["HOME=\(directory.path)/home", "XDG_STATE_HOME="], directory: local)
    }
}

/// One line of what `jobs run` and `jobs report --json` write.
private struct Line {
    let text: String

    /// A member's value as it is written; the lines are the program's own, each member once and in order.
    subscript(name: String) -> String? {
        guard let start = text.firstRange(of: "\"\(name)\":") else { return nil }
        let rest = text[start.upperBound...]
        if rest.hasPrefix("\"") { return rest.dropFirst().prefix { $0 != "\"" }.description }
        return rest.prefix { $0 != "," && $0 != "}" }.description
    }

    var number: Int? { self["line"].flatMap { Int($0) } }

    /// Whole lines only: a killed program may leave the beginning of one.
    static func all(_ output: String) -> [Line] {
        var lines = output.split(separator: "\n", omittingEmptySubsequences: false)
        lines.removeLast()
        return lines.map { Line(text: String($0)) }
    }
}

@Suite struct JobsTests {
    @Test(arguments: Layer.available) func filesAndTreesBothWays(layer: Layer) throws {
        try withSite(layer) { site in
            try write("one", to: site.data + "/one")
            try write("two words", to: site.data + "/two words")
            for path in ["/tree", "/tree/sub"] { mkdir(site.local + path, 0o755) }
            try write("a", to: site.local + "/tree/a")
            try write("b", to: site.local + "/tree/sub/b", mode: 0o640)
            try write(
                """
                # what is to be copied
                get localhost:/data/one first
                get 'localhost:/data/two words' "second copy"
                put -r tree localhost:/data/copy
                {"op":"put","src":"tree/sub/b","dst":"localhost:/data/b","id":"the b","options":{"preserve":true}}
                get localhost:/data/missing third
                frob x y

                """, to: site.local + "/list")
            let ended = try site.jobs("run", "list").wait()
            expectFailure(ended, status: 3, "4 of 6 jobs done", "1 failed", "1 line is no job", "line 7: 'frob'")
            let lines = Line.all(ended.output)
            #expect(lines.count == 6 && Set(lines.compactMap(\.number)) == [2, 3, 4, 5, 6, 7])
            #expect(Set(lines.filter { $0["status"] == "done" }.compactMap(\.number)) == [2, 3, 4, 5])
            let missing = try #require(lines.first { $0.number == 6 })
            #expect(missing["status"] == "failed" && missing["error"]?.contains("NFS3ERR_NOENT") == true)
            #expect(lines.first { $0.number == 7 }?["status"] == "bad")
            #expect(lines.first { $0.number == 4 }?["files"] == "2")
            let named = try #require(lines.first { $0.number == 5 })
            #expect(named["id"] == "the b" && named["bytes"] == "1" && named["op"] == "put" && named["attempts"] == "1")
            expectFile(site.local + "/first", Array("one".utf8))
            expectFile(site.local + "/second copy", Array("two words".utf8))
            expectFile(site.data + "/copy/sub/b", Array("b".utf8))
            expectFile(site.data + "/b", Array("b".utf8))
            #expect(try status(of: site.data + "/b").st_mode & 0o777 == 0o640)

            // What failed may be done again, with the options of the first run, from another directory.
            try write("three", to: site.data + "/missing")
            let retry = try RunningProgram(
                [Programs.path("xfer"), "jobs", "retry"], environment: ["HOME=\(site.directory.path)/home"],
                directory: "/"
            ).wait()
            expectFailure(retry, status: 3, "5 of 6 jobs done")
            #expect(Line.all(retry.output).compactMap(\.number) == [6])
            expectFile(site.local + "/third", Array("three".utf8))

            let report = try site.jobs("report", "--csv", "list").wait()
            #expect(report.output.split(separator: "\r\n").count == 7, "\(report)")
            let failed = try site.jobs("report", "--failed", "--json", "list").wait()
            #expect(Line.all(failed.output).compactMap(\.number) == [7], "\(failed)")
            let status = try site.jobs("status", "list").wait()
            #expect(status.output.contains("5 of 6 jobs done") && status.output.contains("does not run"), "\(status)")
            let list = try site.jobs("list").wait()
            #expect(list.output.contains("\(site.local)/list"), "\(list)")
            expectDone(try site.jobs("forget", "list").wait())
            #expect(names(in: site.directory.path + "/home/.local/state/tlsd/jobs") == [])
            expectFailure(try site.jobs("status", "list").wait(), "there is no such state")
        }
    }

    @Test(arguments: Layer.available) func whatCannotBegin(layer: Layer) throws {
        try withSite(layer) { site in
            expectFailure(try site.jobs("run").wait(), status: 2, "what to run")
            expectFailure(try site.jobs("run", "none").wait(), "none", "No such file")
            expectFailure(try site.jobs("run", "--resume").wait(), "nothing to go on with")
            expectFailure(try site.jobs("report", "none").wait(), "there is no such state")
            try write("get localhost:/data/x y\nfrob\n", to: site.local + "/list")
            expectFailure(try site.jobs("run", "--strict", "list").wait(), status: 2, "nothing is begun")
            #expect(names(in: site.directory.path + "/home/.local/state/tlsd/jobs") == [])
            try write("no state", to: site.local + "/state")
            expectFailure(try site.jobs("run", "--state", "state", "list").wait(), "state")
            #expect(contents(of: site.local + "/state") == "no state")
        }
    }

    /// A pipe that goes on: its jobs are done as they come, and another run of the same state is refused meanwhile.
    @Test(arguments: Layer.available) func aPipeThatGoesOn(layer: Layer) throws {
        try withSite(layer) { site in
            try write("one", to: site.data + "/one")
            mkfifo(site.local + "/pipe", 0o600)
            let run = try site.jobs("run", "--state", "state", "pipe")
            let pipe = open(site.local + "/pipe", O_WRONLY | O_CLOEXEC)
            try #require(pipe >= 0)
            for index in 1...3 {
                let line = Array("get localhost:/data/one copy\(index)\n".utf8)
                #expect(Glibc.write(pipe, line, line.count) == line.count)
                try run.printed("\"dst\":\"copy\(index)\",\"status\":\"done\"")
            }
            let status = try site.jobs("status", "--json", "--state", "state").wait()
            #expect(status.output.contains("\"live\":true") && status.output.contains("\"done\":3"), "\(status)")
            #expect(status.output.contains("\"input_complete\":false"), "\(status)")
            expectFailure(try site.jobs("run", "--resume", "--state", "state").wait(), "another run of these jobs")
            expectFailure(try site.jobs("forget", "--state", "state").wait(), "another run of these jobs")
            // It ends in the middle of a line.
            let rest = Array("get localhost:/data/one copy4".utf8)
            #expect(Glibc.write(pipe, rest, rest.count) == rest.count)
            close(pipe)
            expectDone(try run.wait())
            expectFile(site.local + "/copy4", Array("one".utf8))
        }
    }

    @Test(arguments: Layer.available) func interruptedItSaysHowToGoOn(layer: Layer) throws {
        try withSite(layer) { site in
            try sparse(site.data + "/big", 2 << 30)
            try write("small", to: site.data + "/small")
            try write("get localhost:/data/small copy\nget localhost:/data/big big\n", to: site.local + "/list")
            let run = try site.jobs("run", "--state", "state", "list")
            try run.printed("\"dst\":\"copy\"")
            try underWay(site.local, beyond: 1 << 20, run)
            run.signal(SIGINT)
            expectFailure(try run.wait(seconds: 30), status: 130, "1 left; go on with: xfer jobs run --resume state")
            // What there is of a large file is gone on with.
            #expect(names(in: site.local).filter { $0.hasSuffix(".xfer") }.count == 1)
            expectFailure(try site.jobs("run", "--state", "state", "list").wait(), "an earlier run has jobs left")
            truncate(site.data + "/big", 5)
            let rest = try site.jobs("run", "--resume", "state").wait()
            expectDone(rest)
            #expect(Line.all(rest.output).compactMap(\.number) == [2])
            #expect(names(in: site.local).filter { $0.hasSuffix(".xfer") } == [])
        }
    }

    /// The recursive copy that was under way when its run was killed goes where it went, and not into itself.
    @Test(arguments: Layer.available, ["get", "put"]) func aTreeThatIsKilledGoesWhereItWent(
        layer: Layer, operation: String
    ) throws {
        try withSite(layer) { site in
            let (source, target) = operation == "get" ? (site.data, site.local) : (site.local, site.data)
            mkdir(source + "/tree", 0o755)
            try sparse(source + "/tree/big", 2 << 30)
            try write(
                operation == "get" ? "get -r localhost:/data/tree copy\n" : "put -r tree localhost:/data/copy\n",
                to: site.local + "/list")
            let run = try site.jobs("run", "--state", "state", "list")
            try underWay(target + "/copy", beyond: 1 << 20, run)
            run.signal(SIGKILL)
            _ = try run.wait()
            truncate(source + "/tree/big", 5)
            expectDone(try site.jobs("run", "--resume", "state").wait())
            #expect(names(in: target + "/copy").contains("big"))
            #expect(!exists(target + "/copy/tree"))
            expectFile(target + "/copy/big", [0, 0, 0, 0, 0])
        }
    }

    /// A server that nobody reaches: its jobs fail, soon, and those of another go on.
    @Test(arguments: Layer.available) func aServerThatIsNotThere(layer: Layer) throws {
        try withSite(layer) { site in
            try write("one", to: site.data + "/one")
            let lines = (1...50).map { "get 127.0.0.9:/data/x n\($0)\nget localhost:/data/one y\($0)\n" }
            try write(lines.joined(), to: site.local + "/list")
            let ended = try site.jobs("run", "--attempts", "2", "--state", "state", "list").wait()
            expectFailure(ended, status: 3, "50 of 100 jobs done, 50 failed")
            #expect(Line.all(ended.output).count { $0["status"] == "failed" && $0["attempts"] == "2" } == 50)
        }
    }
}

/// Many jobs, killed in the middle; serialized, since they take what processors there are.
@Suite(.serialized) struct ManyJobsTests {
    /// As many as a minute or so is enough for: the lab does a twentieth.
    private static let count = Layer.isLab ? 5000 : 100_000
    /// A resident set, in KiB, that no number of jobs reaches.
    private static let limit = 256 << 10

    @Test(.notInTheLab) func killedInTheMiddleEachIsDoneOnce() throws {
        try withSite(.user) { site in
            let count = Self.count
            try write("x", to: site.data + "/x")
            for index in 0..<100 { mkdir("\(site.local)/d\(index)", 0o755) }
            try write(
                (1...count).map { "get localhost:/data/x d\($0 % 100)/\($0)\n" }.joined(), to: site.local + "/list")

            let first = try site.jobs("run", "--state", "state", "list")
            // Its output is there as it comes; killed when a third is.
            let isFarEnough = try eventually(within: 300) {
                guard first.ended == nil else { throw Unexpected("it ended too soon: \(first.error)") }
                return first.outputBytes > count / 3 * 120
            }
            #expect(isFarEnough)
            let peak = try #require(first.peakKiB)
            first.signal(SIGKILL)
            let killed = Line.all(try first.wait().output)
            let isDone = killed.compactMap(\.number)
            #expect(isDone.count > count / 10 && isDone.count < count)

            let before = try site.jobs("status", "--json", "--state", "state").wait()
            #expect(before.output.contains("\"live\":false"), "\(before)")
            let second = try site.jobs("run", "--resume", "--state", "state")
            var secondPeak = 0
            while second.ended == nil {
                if let now = second.peakKiB { secondPeak = max(secondPeak, now) }
                usleep(20_000)
            }
            let ended = try second.wait(seconds: 300)
            #expect(ended.status == 0, "\(ended.error)")
            let rest = Line.all(ended.output).compactMap(\.number)
            // Both runs' lines together name each job; twice those of one write(2), where it was killed before it noted that.
            let named = Set(isDone).union(rest)
            let twice = isDone.count + rest.count - named.count
            #expect(named.count == count && named.min() == 1 && named.max() == count, "\(named.count) jobs have lines")
            #expect(twice <= 4096 / 100, "\(twice) jobs have two lines")
            // The record names each once.
            let report = Line.all(try site.jobs("report", "--json", "--state", "state").wait().output)
            #expect(report.compactMap(\.number) == Array(1...count))
            #expect(report.allSatisfy { $0["status"] == "done" && $0["attempts"] == "1" })
            for index in 0..<100 {
                #expect(names(in: "\(site.local)/d\(index)").filter { !$0.hasSuffix(".xfer") }.count == count / 100)
            }
            for peak in [peak, secondPeak] { #expect(peak > 1000 && peak < Self.limit, "\(peak) KiB") }
        }
    }
}
