import Glibc
import Kernel
import NFS
import TestSupport
import Testing

/// Trees of small files, which go many to a call.
@Suite struct ManyFilesTests {
    /// About the limits: a page, what goes with others, what goes in one call.
    private static let sizes = [0, 1, 4095, 4096, 65535, 65536, 65537, 200_000]

    enum Direction: String, CaseIterable { case get, put }

    /// Files of all sizes in several directories; more than a call has in one of them, and one in each of others.
    private func makeTree(_ path: String, seed: UInt64 = 1) throws {
        func make(_ name: String, _ size: Int) throws {
            let file = "\(path)/\(name)"
            try write(pattern(size, seed: seed + UInt64(size)), to: file)
            chmod(file, [0o644, 0o600, 0o755, 0o444][name.utf8.count % 4])
            let time = timespec(tv_sec: 1_000_000_000 + Int(seed) * size, tv_nsec: 123_456_789)
            utimensat(AT_FDCWD, file, [time, time], 0)
        }
        for name in ["", "/sizes", "/many"] + (0..<12).map({ "/d\($0)" }) { mkdir(path + name, 0o755) }
        for size in Self.sizes {
            for number in 0..<4 { try make("sizes/\(size)-\(number)", size) }
        }
        for number in 0..<150 { try make("many/\(number)", 17 * number) }
        for number in 0..<12 { try make("d\(number)/only", 100 * number) }
    }

    /// On a tmpfs and on /tmp: in the kTLS lab that has neither file handles nor O_TMPFILE.
    @Test(arguments: TreeCopyTests.cases, Direction.allCases)
    func theTreeIsTheSame(on place: (layer: Layer, parent: String), direction: Direction) throws {
        var setup = Site.Setup()
        setup.place = place.parent
        try withSite(place.layer, setup) { site in
            let (here, there) = ("\(site.local)/tree", "\(site.data)/tree")
            let (source, target) = direction == .get ? (there, here) : (here, there)
            let names = direction == .get ? ["localhost:/data/tree", "."] : ["tree", "localhost:/data"]
            func expectSame() throws {
                #expect(try TreeComparison.differences(RawPath(source), RawPath(target)) == [])
                #expect(try TreeComparison.temporaries(in: RawPath(target)) == [])
            }
            try makeTree(source)
            expectDone(try site.start(direction.rawValue, ["-rp"] + names).wait())
            try expectSame()
            // Once more, over what is there, on disk before they have their names.
            for name in try TreeComparison.components(of: RawPath(source + "/many")) {
                unlink("\(source)/many/\(name)")
            }
            try makeTree(source, seed: 2)
            expectDone(try site.start(direction.rawValue, ["-rp", "--fsync"] + names).wait())
            try expectSame()
        }
    }

    /// What is there already is treated as it is for files that go by themselves: messages, exit status, and what is left.
    @Test(arguments: Layer.available, Direction.allCases)
    func whatIsThereAlready(layer: Layer, direction: Direction) throws {
        try withSite(layer) { site in
            let top = direction == .get ? site.data : site.local
            let other = direction == .get ? site.local : site.data
            mkdir("\(top)/tree", 0o755)
            for name in ["directory", "fifo", "file", "link", "new"] {
                try write("the new \(name)", to: "\(top)/tree/\(name)")
            }
            for delete in [false, true] {
                var outcomes: [[String]] = []
                for jobs in ["1", "32"] {
                    let target = "\(other)/tree"
                    _ = try RunningProgram(["rm", "-rf", target]).wait()
                    for path in [target, target + "/directory"] { mkdir(path, 0o755) }
                    try write("in it", to: target + "/directory/entry")
                    try write("an old one", to: target + "/file")
                    try write("untouched", to: other + "/elsewhere")
                    symlink("../elsewhere", target + "/link")
                    mkfifo(target + "/fifo", 0o644)
                    let names =
                        direction == .get ? ["localhost:/data/tree/", target] : ["tree/", "localhost:/data/tree"]
                    let options = ["--ignore-times", "--jobs", jobs] + (delete ? ["--delete"] : [])
                    let ended = try site.start("sync", options + names).wait()
                    #expect(ended.status == (delete ? 0 : 3), "\(ended)")
                    #expect(contents(of: other + "/elsewhere") == "untouched")
                    #expect(try TreeComparison.temporaries(in: RawPath(target)) == [])
                    let left = try TreeComparison.entries(of: RawPath(target)).map { path, entry in
                        "\(path.text) \(entry.kind) \(entry.kind == .file ? contents(of: "\(target)/\(path.text)") : "")"
                    }
                    #expect(left.contains("file file the new file") && left.contains("link file the new link"))
                    #expect(left.contains("new file the new new") && left.contains("fifo other ") != delete)
                    let said = ended.error.split(separator: "\n").filter { $0.contains("/tree/") }.map(String.init)
                    #expect(said.count == (delete ? 0 : 2), "\(ended.error)")
                    outcomes.append(left.sorted() + said.sorted())
                }
                #expect(outcomes.first == outcomes.last)
            }
        }
    }

    // MARK: Calls, which can be seen where there is no TLS

    private static func xfer(_ number: Xfer.ProcedureNumber) -> CallRelay.Procedure {
        CallRelay.Procedure(Xfer.program, number.rawValue)
    }
    private static func nfs(_ number: NFS.ProcedureNumber) -> CallRelay.Procedure {
        CallRelay.Procedure(NFS.program, number.rawValue)
    }

    /// - Parameter body: gets the site, what its `/clear` is, and how to run xfer through the relay.
    private func withRelay(
        _ begun: @escaping @Sendable (Site, CallRelay.Procedure, Int) -> Void = { _, _, _ in },
        _ body: (Site, CallRelay, (String, [String]) throws -> Ended) throws -> Void
    ) throws {
        let directory = TemporaryDirectory(in: "/dev/shm")
        var setup = Site.Setup()
        setup.xferd = ["--export", "/clear=\(directory.path),rw,no_root_squash,xprtsec=none"]
        try withSite(.user, setup) { site in
            symlink(directory.path, site.directory.path + "/clear")
            let relay = try CallRelay(to: site.port) { begun(site, $0, $1) }
            try body(site, relay) { command, arguments in
                try site.start(command, arguments, options: "xprtsec=none", port: relay.port).wait()
            }
        }
    }

    @Test(.notInTheLab) func fewCallsAreMade() throws {
        try withRelay { site, relay, run in
            let (tree, clear) = (site.local + "/tree", site.directory.path + "/clear")
            mkdir(tree, 0o755)
            for number in 0..<300 { try write(pattern(number), to: "\(tree)/\(number)") }
            try write(pattern(65537), to: tree + "/larger")
            func expectFew(_ many: Xfer.ProcedureNumber, _ alone: CallRelay.Procedure) {
                #expect((300 / 64...10).contains(relay.count(Self.xfer(many))))
                #expect(relay.count(alone) == 1)
                relay.reset()
            }
            expectDone(try run("put", ["-r", "tree", "localhost:/clear"]))
            expectFew(.putFiles, Self.xfer(.put))
            expectDone(try run("get", ["-r", "localhost:/clear/tree", "back"]))
            expectFew(.readFiles, Self.nfs(.read))
            // What is replaced goes no other way.
            expectDone(try run("put", ["-r", "--ignore-times", "tree", "localhost:/clear"]))
            expectFew(.putFiles, Self.xfer(.put))
            expectDone(try run("get", ["-r", "--ignore-times", "localhost:/clear/tree/", "back"]))
            expectFew(.readFiles, Self.nfs(.read))
            for copy in [clear + "/tree", site.local + "/back"] {
                #expect(try TreeComparison.differences(RawPath(tree), RawPath(copy), []) == [])
            }
        }
    }

    /// Changed when it was listed and not yet read: it is named, the old one stays, and the others are there.
    @Test(.notInTheLab) func aFileThatChangesIsNotFetched() throws {
        try withRelay { site, procedure, count in
            guard procedure == Self.xfer(.readFiles), count == 1 else { return }
            // Of the same size.
            try? write("THE CHANGING", to: site.directory.path + "/clear/tree/changing")
        } _: { site, _, run in
            let tree = site.directory.path + "/clear/tree"
            for path in [tree, site.local + "/tree"] { mkdir(path, 0o755) }
            for name in ["a", "changing", "old", "z"] { try write("the \(name)", to: "\(tree)/\(name)") }
            let ended = try run("get", ["-r", "localhost:/clear/tree", "."])
            expectFailure(ended, status: 3, "/clear/tree/changing: changed while it was read", "1 failed")
            #expect(names(in: site.local + "/tree") == ["a", "old", "z"])
            // The next run has it.
            expectDone(try run("get", ["-r", "localhost:/clear/tree", "."]))
            #expect(contents(of: site.local + "/tree/changing") == "THE CHANGING")
        }
    }

    /// The other way round it is pushed as it is by then.
    @Test(.notInTheLab) func aFileThatChangesIsPushedAsItIs() throws {
        try withRelay { site, procedure, count in
            // The files of the first directory wait for others while the second one is made.
            guard procedure == Self.nfs(.mkDir), count == 3 else { return }
            for name in ["a", "b"] {
                try? write("longer than it was when it was listed", to: "\(site.local)/tree/\(name)/changing")
                unlink("\(site.local)/tree/\(name)/gone")
            }
        } _: { site, relay, run in
            for name in ["", "/a", "/b"] { mkdir("\(site.local)/tree\(name)", 0o755) }
            for directory in ["a", "b"] {
                for name in ["changing", "gone", "z"] {
                    try write("the \(name)", to: "\(site.local)/tree/\(directory)/\(name)")
                }
            }
            let ended = try run("put", ["-r", "tree", "localhost:/clear"])
            expectFailure(ended, status: 3, "/gone", "1 failed")
            #expect(relay.count(Self.xfer(.putFiles)) == 1)
            for name in ["a", "b"] {
                let copy = "\(site.directory.path)/clear/tree/\(name)"
                #expect(names(in: copy) == ["changing", "z"])
                #expect(contents(of: copy + "/changing") == "longer than it was when it was listed")
            }
        }
    }

    /// Ended while a call for several files is on its way: what of it has come counts for nothing, or for whole files.
    @Test(.notInTheLab, arguments: [SIGINT, SIGKILL], Direction.allCases)
    func endedInTheMiddleOfACall(signal: Int32, direction: Direction) throws {
        let running = Condition<RunningProgram?>(nil)
        try withRelay { _, procedure, count in
            guard procedure == Self.xfer(direction == .put ? .putFiles : .readFiles), count == 3 else { return }
            running.withLock { program in
                program?.signal(signal)
                // What the relay has read of the call goes on to the server when the client is gone.
                if signal == SIGKILL { _ = try? program?.wait() }
            }
        } _: { site, relay, run in
            let clear = site.directory.path + "/clear"
            let (source, target) =
                direction == .put ? (site.local + "/tree", clear + "/tree") : (clear + "/tree", site.local + "/tree")
            mkdir(source, 0o755)
            for number in 0..<400 { try write(pattern(8000 + number), to: "\(source)/\(number)") }
            let names = direction == .put ? ["tree", "localhost:/clear"] : ["localhost:/clear/tree", "."]
            let command = direction == .put ? "put" : "get"
            let ended = try running.withLock { running in
                let started = try site.start(
                    command, ["-r"] + names, options: "xprtsec=none", port: relay.port)
                running = started
                return started
            }.wait()
            if signal == SIGINT { #expect(ended.status == 130, "\(ended)") }
            running.withLock { $0 = nil }
            #expect(try TreeComparison.temporaries(in: RawPath(target)) == [])
            let there = TestSupport.names(in: target)
            #expect(there.count < 400)
            for name in there {
                #expect(contents(of: "\(target)/\(name)") == contents(of: "\(source)/\(name)"), "\(name)")
            }
            expectDone(try run(command, ["-r"] + names))
            #expect(try TreeComparison.differences(RawPath(source), RawPath(target), []) == [])
        }
    }
}
