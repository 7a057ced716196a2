import Glibc
import TestSupport
import Testing

/// What does not fit into the matrix of ``RuleTests``: several sources, slashes, users, and what cannot be copied.
@Suite(.notInTheLab, RuleSiteTrait(layer: .user)) struct RuleDetailTests {
    /// A directory here and one on the server, of this test alone.
    private struct Places {
        let shared: SharedRuleSite
        let name: String
        var local: String { shared.rulesLocal + "/" + name }
        var remote: String { shared.rulesRemote.directory + "/" + name }
        var there: String { "localhost:/data/" + name }

        init() throws {
            shared = try #require(RuleSiteTrait.site)
            name = "detail-\(shared.nextTrial)"
            for path in [local, remote] { mkdir(path, 0o755) }
        }

        func xfer(_ command: String, _ arguments: String...) throws -> Ended {
            try shared.runRule(command, arguments)
        }
    }

    /// One level of meaning of a slash at the source's end, as rsync(1) has it; the destination's means nothing.
    @Test func aSlashBehindTheSource() throws {
        let places = try Places()
        try makeTree(places.local + "/src", [.file("a", "1")])
        try makeTree(places.remote + "/src", [.file("b", "2")])
        for (source, destination, found) in [
            ("src", "one", "one/src/a"), ("src/", "two", "two/a"), ("src", "three/", "three/src/a"),
            ("src//", "four/", "four/a"),
        ] {
            expectDone(try places.xfer("sync", "\(places.name)/\(source)", "\(places.there)/\(destination)"))
            #expect(contents(of: "\(places.remote)/\(found)") == "1", "\(source) \(destination)")
        }
        for (source, destination, found) in [
            ("src", "one", "one/src/b"), ("src/", "two", "two/b"), ("src", "three/", "three/src/b"),
        ] {
            expectDone(try places.xfer("sync", "\(places.there)/\(source)", "\(places.name)/\(destination)"))
            #expect(contents(of: "\(places.local)/\(found)") == "2", "\(source) \(destination)")
        }
        // A file is put into the directory, which is made.
        expectDone(try places.xfer("sync", "\(places.name)/src/a", "\(places.there)/five"))
        #expect(contents(of: places.remote + "/five/a") == "1")
        try write("", to: places.remote + "/file")
        expectFailure(
            try places.xfer("sync", "\(places.name)/src/", "\(places.there)/file"), "/file: is not a directory")
    }

    @Test func severalSources() throws {
        let places = try Places()
        for (name, time) in [("x", 1000), ("y", 1005)] {
            try makeTree("\(places.local)/\(name)", [.file(name + "1", name), .file("both", name, at: time)])
        }
        let (x, y) = ("\(places.name)/x", "\(places.name)/y")
        expectDone(try places.xfer("sync", x, y, places.there))
        #expect(names(in: places.remote) == ["x", "y"])
        expectDone(try places.xfer("sync", x + "/", y + "/", "\(places.there)/merged"))
        #expect(names(in: places.remote + "/merged") == ["both", "x1", "y1"])
        #expect(contents(of: places.remote + "/merged/both") == "y")

        // One would delete what the other has brought.
        expectFailure(
            try places.xfer("sync", "--delete", x + "/", y + "/", "\(places.there)/merged"), "--delete would take away")
        #expect(names(in: places.remote + "/merged") == ["both", "x1", "y1"])
        try write("", to: places.remote + "/x/old")
        expectDone(try places.xfer("sync", "--delete", x, y, places.there))
        #expect(names(in: places.remote + "/x") == ["both", "x1"])

        // What is missing does not keep the rest from being copied.
        unlink(places.remote + "/y/both")
        expectFailure(
            try places.xfer("put", "-rp", "\(places.name)/none", y, places.there), status: 3, "none", "1 failed")
        #expect(contents(of: places.remote + "/y/both") == "y")
        expectDone(try places.xfer("get", "-rp", "\(places.there)/x", "\(places.there)/y", places.name))
    }

    /// Numbers of users and groups, and with them the set-ID bits, which nobody gets otherwise.
    @Test(.enabled(if: geteuid() == 0, "needs root: gives files away")) func owners() throws {
        let places = try Places()
        try makeTree(places.local + "/src", [.file("f", "1"), .file("s", "1"), .link("l", "f"), .directory("d")])
        for path in ["", "/f", "/s", "/l", "/d"] { lchown(places.local + "/src" + path, 1234, 2345) }
        chmod(places.local + "/src/s", 0o4755)
        expectDone(try places.xfer("sync", places.name + "/src", places.there))
        expectDone(try places.xfer("put", "-rp", places.name + "/src/", places.there + "/plain"))
        expectDone(try places.xfer("sync", places.there + "/src", places.name + "/back"))
        for path in ["", "/f", "/s", "/l", "/d"] {
            for top in [places.remote + "/src", places.local + "/back/src"] {
                let found = try status(of: top + path)
                #expect(found.st_uid == 1234 && found.st_gid == 2345, "\(top)\(path)")
            }
            #expect(try status(of: places.remote + "/plain" + path).st_uid == 0)
        }
        #expect(mode(of: places.remote + "/src/s") == 0o4755 && mode(of: places.local + "/back/src/s") == 0o4755)
        #expect(mode(of: places.remote + "/plain/s") == 0o755)
        lchown(places.remote + "/src/l", 0, 0)
        lchown(places.remote + "/src/d", 0, 0)
        let again = try places.xfer("sync", "-i", places.name + "/src", places.there)
        #expect(again.output.split(separator: "\n").sorted() == ["set       d/ (owner)", "set       l (owner)"])
    }

    /// Said once for each kind, with one name, and not for what is not copied.
    @Test(.enabled(if: geteuid() == 0, "needs root: sets capabilities")) func whatNFSCannotCarry() throws {
        let places = try Places()
        try makeTree(places.local + "/src", [.file("a", "1"), .file("b", "2"), .file("plain", "3")])
        // cap_net_raw, as setcap(8) would have it.
        let script = """
            import os, struct, sys
            for path in sys.argv[1:]:
                os.setxattr(path, 'security.capability', struct.pack('<5I', 0x02000001, 1 << 13, 0, 0, 0))
            """
        let (a, b) = (places.local + "/src/a", places.local + "/src/b")
        expectDone(try RunningProgram(["python3", "-c", script, a, b]).wait())
        chmod(places.local + "/src/plain", 0o2755)
        utimensat(AT_FDCWD, places.local + "/src/plain", [timespec(), timespec(tv_sec: -86400, tv_nsec: 0)], 0)
        for option in ["-n", "-i"] {
            let put = try places.xfer("put", "-rp", option, places.name + "/src", places.there)
            expectDone(put)
            let notes = put.error.split(separator: "\n").filter {
                $0.hasPrefix("xfer: ") && ($0.contains(" not copied") || $0.contains(" not kept"))
            }
            #expect(notes.count == 3, "\(put)")
            #expect(put.error.contains("extended attributes or access control lists of 2 files were not copied"))
            #expect(put.error.contains("bit of \(places.name)/src/plain was not copied: only --owner keeps it"))
            #expect(put.error.contains("the time of \(places.name)/src/plain was not kept"))
        }
        #expect(!(try places.xfer("put", "-rp", places.name + "/src", places.there)).error.contains("note:"))
        #expect(!(try places.xfer("put", "-r", places.name + "/src", places.there)).error.contains("note:"))
    }

    /// Where a directory's mode keeps its owner from writing it is made writable for as long as it takes; root needs no
    /// such thing.
    @Test(.enabled(if: geteuid() == 0, "needs root: runs xfer as somebody else")) func directoriesThatAreReadOnly()
        throws
    {
        let source: [Thing] = [
            .directory("", at: 3000), .directory("d", at: 3001, mode: 0o555), .file("d/f", "new"), .directory("d/sub"),
            .file("d/sub/g", "1"),
        ]
        let target: [Thing] = [
            .directory("", at: 3000), .directory("d", at: 3001, mode: 0o555), .file("d/f", "o"), .file("d/gone", "1"),
            .directory("x", mode: 0o500), .file("x/y", "1"), .directory("x/z", mode: 0o500), .file("x/z/w", "1"),
        ]
        let places = try Places()
        let somebody: uid_t = 65534
        for (index, isFetch) in [true, false].enumerated() {
            let (from, to) = (isFetch ? places.remote : places.local, isFetch ? places.local : places.remote)
            for path in [from, to] { chown(path, somebody, somebody) }
            try makeTree("\(from)/src\(index)", source, owner: somebody)
            try makeTree("\(to)/dst\(index)", target, owner: somebody)
            let names =
                isFetch
                ? ["\(places.there)/src\(index)/", "\(places.name)/dst\(index)"]
                : ["\(places.name)/src\(index)/", "\(places.there)/dst\(index)"]
            let ended = try places.shared.runAsSomebody("sync", ["-i", "--delete"] + names)
            expectDone(ended)
            #expect(
                ended.output.split(separator: "\n").sorted() == [
                    "delete    d/gone", "delete    x/", "delete    x/y", "delete    x/z/", "delete    x/z/w",
                    "new dir   d/sub/", "new file  d/sub/g", "update    d/f (size)",
                ])
            let found = FoundTree("\(to)/dst\(index)")
            #expect(found.problems(source) == [])
            expectDone(try places.shared.runAsSomebody("sync", ["--delete"] + names))
            #expect(FoundTree("\(to)/dst\(index)").changes(since: found) == [])

            // Without -p the mode stays that of the target.
            try makeTree("\(from)/more\(index)", [.directory("d"), .file("d/h", "1")], owner: somebody)
            let (command, more, into) =
                isFetch
                ? ("get", "\(places.there)/more\(index)/d", "\(places.name)/dst\(index)")
                : ("put", "\(places.name)/more\(index)/d", "\(places.there)/dst\(index)")
            expectDone(try places.shared.runAsSomebody(command, ["-r", more, into]))
            #expect(contents(of: "\(to)/dst\(index)/d/h") == "1" && mode(of: "\(to)/dst\(index)/d") == 0o555)
        }
    }

    /// Nothing is changed on either side, and what differs is told in words and in the exit status.
    @Test func verify() throws {
        let places = try Places()
        let tree: [Thing] = [
            .directory("", at: 3000), .file("a", "1"), .file("b", "22"), .directory("d", at: 3001), .file("d/c", "3"),
            .link("l", "a"), .link("m", "b"), .file("x.o", "1"),
        ]
        try makeTree(places.local + "/t", tree)
        try makeTree(places.remote + "/t", tree)
        let (here, there) = ("\(places.name)/t", "\(places.there)/t")
        for options in [[], ["-p"], ["-a"], ["--size-only"], ["-o", "noxfer"]] {
            for pair in [[here, there], [there, here], [here + "/", there], [there + "/a", here]] {
                let same = try places.shared.runRule("verify", options + pair)
                #expect(same.status == 0 && same.output == "", "\(options) \(pair): \(same)")
            }
        }
        // Same size and time, other content; another size; what only one has; another kind; another text; another mode.
        let other: [Thing] = [
            .directory("", at: 3000), .file("a", "2"), .file("b", "333"), .file("d", "1"), .link("l", "b"),
            .link("m", "b"),
            .file("more", "1"), .file(".a.zzzzzzzzzz.xfer", "1"), .file("y.o", "1"),
        ]
        try makeTree(places.remote + "/u", other)
        let before = FoundTree(places.remote + "/u")
        for options in [[], ["-o", "noxfer"]] {
            let differs = try places.shared.runRule(
                "verify", options + ["--exclude", "*.o", here, "\(places.there)/u"])
            #expect(differs.status == 3)
            #expect(
                differs.output.split(separator: "\n").sorted() == [
                    "differs   a (content)", "differs   b (size)", "differs   l (target)", "extra     d",
                    "extra     more",
                    "missing   d/ (type)", "missing   d/c",
                ])
            let summary = "1 of the files and links the same, 2 missing, 2 extra, 3 different"
            #expect(differs.error.contains(summary), "\(differs)")
        }
        let quick = try places.xfer("verify", "--size-only", "--exclude", "d", "--exclude", "*.o", there, here)
        #expect(quick.status == 0)
        chmod(places.remote + "/t/a", 0o4600)
        let mode = try places.xfer("verify", "-p", here, there)
        #expect(mode.status == 3 && mode.output == "differs   a (mode)\n", "\(mode)")
        let json = try places.xfer("verify", "-p", "--json", there, here)
        #expect(json.output == #"{"result":"differs","path":"a","type":"file","reasons":["mode"]}"# + "\n")
        expectFailure(try places.xfer("verify", here + "/none", there), status: 1, "none")
        expectFailure(try places.xfer("verify", here, here), status: 2, "is on a server")
        expectFailure(try places.xfer("verify", there, there), status: 2, "both on a server")
        #expect(FoundTree(places.remote + "/u").changes(since: before) == [])
    }
}
