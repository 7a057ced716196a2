import Glibc
import TestSupport
import Testing

/// Parts of large files that an interrupted copy keeps, and what the next run makes of them.
@Suite struct KeptPartTests {
    enum Direction: String, CaseIterable { case put, get }
    /// With the server's extra program, and by NFS alone.
    enum Program: String, CaseIterable { case xfer, noxfer }

    static let size = 24 << 20

    /// One copy of `big`, with an end and a beginning.
    private struct Work {
        let site: Site
        let direction: Direction
        let program: Program

        var source: String { (direction == .put ? site.local : site.data) + "/big" }
        var place: String { direction == .put ? site.data : site.local }
        var temporaries: [String] { names(in: place).filter { $0.hasSuffix(".xfer") } }

        func start(_ more: String..., port: UInt16? = nil, options: String = "hard") throws -> RunningProgram {
            let places = direction == .put ? ["big", "localhost:/data/copy"] : ["localhost:/data/big", "copy"]
            return try site.start(
                direction.rawValue, more + ["-o", program.rawValue, "-o", options] + places, port: port)
        }

        /// Slow enough to be interrupted in the middle.
        func interrupt() throws {
            let first = try start("--limit", "8M")
            try underWay(place, beyond: 8 << 20, first)
            first.signal(SIGINT)
            expectFailure(try first.wait(), status: 130, "1 unfinished file is kept", "run the same command again")
            #expect(temporaries.count == 1 && !exists(place + "/copy"))
        }
    }

    private func withWork(
        _ direction: Direction, _ program: Program, _ layer: Layer = .user, _ body: (Work) throws -> Void
    ) throws {
        try withSite(layer) { site in try body(Work(site: site, direction: direction, program: program)) }
    }

    @Test(arguments: Layer.available, Direction.allCases)
    func aCopyThatWasInterruptedGoesOn(layer: Layer, direction: Direction) throws {
        for program in Program.allCases {
            try withWork(direction, program, layer) { work in
                let content = pattern(Self.size, seed: 5)
                try write(content, to: work.source)
                try work.interrupt()
                let relay = try CountingRelay(to: work.site.port)
                expectDone(try work.start(port: relay.port).wait())
                expectFile(work.place + "/copy", content)
                #expect(work.temporaries == [])
                let moved = direction == .put ? relay.count.up : relay.count.down
                #expect(moved > 1 << 20 && moved < Self.size - (4 << 20), "\(moved) bytes")
            }
        }
    }

    @Test(.notInTheLab, arguments: Direction.allCases, Program.allCases)
    func theSourceIsAnotherOneSince(direction: Direction, program: Program) throws {
        try withWork(direction, program) { work in
            try write(pattern(Self.size, seed: 5), to: work.source)
            try work.interrupt()
            let content = pattern(Self.size - 12345, seed: 6)
            try write(content, to: work.source)
            expectDone(try work.start().wait())
            expectFile(work.place + "/copy", content)
            #expect(work.temporaries == [])
        }
    }

    /// Pages that a crash lost, in the middle and at the end.
    @Test(.notInTheLab, arguments: Direction.allCases, Program.allCases)
    func thePartHasHolesAndIsShorter(direction: Direction, program: Program) throws {
        try withWork(direction, program) { work in
            let content = pattern(Self.size, seed: 5)
            try write(content, to: work.source)
            try work.interrupt()
            let part = "\(work.place)/\(try #require(work.temporaries.first))"
            let size = Int(try status(of: part).st_size)
            let file = open(part, O_WRONLY | O_CLOEXEC)
            let zeros = [UInt8](repeating: 0, count: 100_000)
            #expect(pwrite(file, zeros, zeros.count, 2 << 20) == zeros.count)
            close(file)
            #expect(truncate(part, off_t(size - 3_000_001)) == 0)
            expectDone(try work.start().wait())
            expectFile(work.place + "/copy", content)
        }
    }

    /// Less than 1 MiB is not worth a file that lies about.
    @Test(.notInTheLab, arguments: Direction.allCases) func littleIsNotKept(direction: Direction) throws {
        try withWork(direction, .xfer) { work in
            try write(pattern(Self.size, seed: 5), to: work.source)
            let first = try work.start("--limit", "300k")
            // A temporary has the size of the whole from the start in a get: what is there of it counts.
            #expect(eventually(within: 30) { !work.temporaries.isEmpty })
            first.signal(SIGINT)
            let ended = try first.wait()
            expectFailure(ended, status: 130, "interrupted")
            #expect(!ended.error.contains("kept"))
            #expect(names(in: work.place) == [])
        }
    }

    /// A server that does not answer as long as the client waits.
    @Test(.notInTheLab, arguments: Direction.allCases, Program.allCases)
    func theConnectionIsLostForGood(direction: Direction, program: Program) throws {
        let site = try KillSite(.user)
        let (source, place) = direction == .put ? (site.local, site.data) : (site.data, site.local)
        let places = direction == .put ? ["big", "localhost:/data/copy"] : ["localhost:/data/big", "copy"]
        let content = pattern(Self.size, seed: 5)
        try write(content, to: source + "/big")
        let first = try site.xfer(
            direction.rawValue,
            ["--limit", "8M", "-o", program.rawValue, "-o", "soft,timeo=10,retrans=1"] + places)
        try underWay(place, beyond: 8 << 20, first)
        let xferd = try #require(site.xferd)
        xferd.signal(SIGSTOP)
        let ended = try first.wait()
        xferd.signal(SIGCONT)
        expectFailure(ended, "1 unfinished file is kept")
        #expect(names(in: place).filter { $0.hasSuffix(".xfer") }.count == 1)
        expectDone(try site.xfer(direction.rawValue, ["-o", program.rawValue] + places).wait())
        expectFile(place + "/copy", content)
        #expect(names(in: place).filter { $0.hasSuffix(".xfer") } == [])
        try site.stop()
    }

    /// A tree's parts outlive the run that was interrupted again.
    @Test(.notInTheLab) func aTreeThatIsInterruptedTwice() throws {
        try withSite(.user) { site in
            mkdir(site.local + "/tree", 0o755)
            let content = pattern(Self.size / 2, seed: 7)
            for name in ["a", "b"] { try write(content, to: "\(site.local)/tree/\(name)") }
            var kept: [String] = []
            func there() -> Int {
                names(in: site.data + "/tree").filter { $0.hasSuffix(".xfer") }.reduce(0) { sum, name in
                    sum + ((try? status(of: "\(site.data)/tree/\(name)")).map { Int($0.st_blocks) * 512 } ?? 0)
                }
            }
            for _ in 0..<2 {
                let before = there()
                let put = try site.start("put", ["-rp", "--limit", "8M", "tree", "localhost:/data"])
                // What the run before has left is there from the start: this one must have begun to move its own.
                #expect(eventually(within: 60) { there() > before + (4 << 20) || put.ended != nil })
                put.signal(SIGTERM)
                expectFailure(try put.wait(), status: 130, "kept")
                let now = names(in: site.data + "/tree").filter { $0.hasSuffix(".xfer") }
                #expect(now.count >= kept.count && !now.isEmpty)
                kept = now
            }
            expectDone(try site.xfer("put", "-rp", "tree", "localhost:/data"))
            #expect(names(in: site.data + "/tree").sorted() == ["a", "b"])
            for name in ["a", "b"] { expectFile("\(site.data)/tree/\(name)", content) }
        }
    }
}
