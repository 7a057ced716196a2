import Glibc
import TestSupport
import Testing

/// `xfer ls`.
@Suite(.notInTheLab)
struct ListCommandTests {
    /// Files of different ages and sizes, a directory, a link, what is hidden.
    private func fill(_ directory: String) throws {
        for (name, size, time) in [("a", 3000, 500), ("b", 1, 900), ("c", 70000, 700), (".hidden", 5, 1)] {
            try write(pattern(size), to: "\(directory)/\(name)")
            try setTime("\(directory)/\(name)", 1_600_000_000 + time)
        }
        mkdir(directory + "/dir", 0o755)
        try write("x", to: directory + "/dir/inner")
        mkdir(directory + "/dir/.secret", 0o755)
        try write("x", to: directory + "/dir/.secret/f")
        try write("x", to: directory + "/.big.abcdefghij.xfer")
        symlink("dir", directory + "/link")
        try setTime(directory + "/dir", 1_600_000_001)
        try setTime(directory + "/link", 1_600_000_000)
    }

    private func setTime(_ path: String, _ seconds: Int) throws {
        let times = [timespec(tv_sec: seconds, tv_nsec: 0), timespec(tv_sec: seconds, tv_nsec: 0)]
        guard utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW) == 0 else { throw Unexpected("utimensat \(path)") }
    }

    private func lines(_ ended: Ended, sourceLocation: SourceLocation = #_sourceLocation) -> [String] {
        expectDone(ended, sourceLocation: sourceLocation)
        return ended.output.split(separator: "\n", omittingEmptySubsequences: false).dropLast().map(String.init)
    }

    @Test(arguments: Layer.available) func ordersAndWhatIsHidden(layer: Layer) throws {
        try withSite(layer) { site in
            try fill(site.data)
            let place = "localhost:/data"
            #expect(lines(try site.xfer("ls", place)) == ["a", "b", "c", "dir", "link"])
            #expect(lines(try site.xfer("ls", "-r", place)) == ["link", "dir", "c", "b", "a"])
            #expect(lines(try site.xfer("ls", "-t", place)) == ["b", "c", "a", "dir", "link"])
            #expect(lines(try site.xfer("ls", "-tr", place)) == ["link", "dir", "a", "c", "b"])
            #expect(lines(try site.xfer("ls", "-S", place)).filter { $0.count == 1 } == ["c", "a", "b"])
            #expect(lines(try site.xfer("ls", "-U", place)).sorted() == ["a", "b", "c", "dir", "link"])
            #expect(
                lines(try site.xfer("ls", "-a", place)) == [
                    ".big.abcdefghij.xfer", ".hidden", "a", "b", "c", "dir", "link",
                ])
            #expect(lines(try site.xfer("ls", "-d", place)) == ["data"])
            #expect(lines(try site.xfer("ls", place + "/link")) == ["link"])
            let long = lines(try site.start("ls", ["-lh", place], environment: ["TZ=UTC"]).wait())
            #expect(long.contains { $0.hasSuffix("  69K 2020-09-13 12:38 c") }, "\(long)")
            #expect(long.last?.hasPrefix("lrwxrwxrwx 1 ") == true && long.last?.hasSuffix(" link -> dir") == true)
            // Columns are as wide as the widest needs.
            #expect(Set(long.map { $0.split(separator: " 2020-")[0].count }).count == 1, "\(long)")
        }
    }

    @Test func treesAndSeveralPlaces() throws {
        try withSite(.user) { site in
            try fill(site.data)
            try write("p", to: site.published + "/p")
            let place = "localhost:/data"
            #expect(
                lines(try site.xfer("ls", "-R", place)) == [
                    "\(place):", "a", "b", "c", "dir", "link", "", "\(place)/dir:", "inner",
                ])
            #expect(lines(try site.xfer("ls", "-Ra", place)).contains("\(place)/dir/.secret:"))
            #expect(
                lines(try site.xfer("ls", place + "/a", "localhost:/public", place + "/dir")) == [
                    "\(place)/a", "", "localhost:/public:", "p", "", "\(place)/dir:", "inner",
                ])
            // Glob characters are names' own.
            try write("x", to: site.data + "/*")
            #expect(lines(try site.xfer("ls", place + "/*")) == ["*"])
            expectFailure(try site.xfer("ls", place + "/[ab]"), "/data/[ab]", "no such file")
        }
    }

    @Test func oneThatIsNotThereDoesNotKeepTheOthersOut() throws {
        try withSite(.user) { site in
            try fill(site.data)
            let some = try site.xfer("ls", "localhost:/data/none", "localhost:/elsewhere", "localhost:/data/a")
            expectFailure(some, status: 3, "/data/none", "no such file", "/elsewhere", "not in any export")
            #expect(some.output == "localhost:/data/a\n")
            expectFailure(try site.xfer("ls", "localhost:/data/none", "localhost:/data/never"), "none", "never")
            // Another server, that is none.
            let other = try site.xfer("ls", "no-such-host.invalid:/data", "localhost:/data/a")
            expectFailure(other, status: 3, "no-such-host.invalid")
            #expect(other.output == "localhost:/data/a\n")
        }
    }

    @Test(.enabled(if: geteuid() == 0, "becoming another user takes root; not in the kTLS lab, where we are"))
    func whatMayNotBeLookedAtIsNamed() throws {
        try withSite(.user) { site in
            try fill(site.data)
            mkdir(site.data + "/closed", 0o700)
            chmod(site.directory.path, 0o755)
            let (tlscd, socket) = try site.startDaemon("--allow", "nobody")
            func ask(_ arguments: String...) throws -> Ended {
                try RunningProgram(
                    [
                        "setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups", Programs.path("xfer"),
                    ] + arguments + ["-o", "port=\(site.port),tlscd=\(socket)", "localhost:/data"],
                    environment: ["HOME=/nonexistent"]
                ).wait()
            }
            let list = try ask("ls", "-R")
            expectFailure(list, status: 3, "/data/closed", "permission denied")
            #expect(list.output.contains("closed:\n\nlocalhost:/data/dir:\ninner\n"), "\(list)")
            let sum = try ask("du", "--json")
            expectFailure(sum, status: 3, "/data/closed", "permission denied")
            #expect(sum.output.contains(#""files":7,"directories":4}"#), "\(sum)")
            try tlscd.stop()
        }
    }

    @Test func jsonHasAllAttributesAndEveryName() throws {
        try withSite(.user) { site in
            try write(pattern(10), to: site.data + "/new\nline")
            let raw: [CChar] = Array(site.data.utf8CString.dropLast()) + [0x2f, 0x62, -1, 0x64, 0]
            close(open(raw, O_WRONLY | O_CREAT | O_CLOEXEC, 0o644))
            symlink("target", site.data + "/link")
            let lines = lines(try site.xfer("ls", "--json", "-R", "localhost:/data"))
            #expect(lines.count == 3)
            let found = try status(of: site.data + "/new\nline")
            let named = try #require(lines.first { $0.contains("new") })
            for word in [
                #""path":"localhost:/data/new\nline""#, #""name":"new\nline""#, #""type":"regular file""#,
                #""mode":"0644""#, #""nlink":1"#, #""size":10"#, #""used":4096"#, #""fileid":\#(found.st_ino)"#,
                #""mtime":"20"#,
            ] { #expect(named.contains(word), "\(word): \(named)") }
            #expect(lines.contains { $0.contains(#""name_bytes":"62ff64""#) }, "\(lines)")
            #expect(lines.contains { $0.contains(#""target":"target""#) && $0.contains(#""type":"symbolic link""#) })
            // Into a pipe names go as they are, those that are no UTF-8 too.
            let plain = try RunningProgram([
                "sh", "-c", #""$0" ls --record-layer user -o "$1" localhost:/data | od -An -tx1 | tr -d ' \n'"#,
                Programs.path("xfer"), "port=\(site.port),\(site.credentials)",
            ]).wait()
            #expect(plain.output.hasPrefix("62ff640a"), "\(plain)")
        }
    }

    /// Unsorted, a directory's first entries are there before the last have been listed: its reader may leave.
    @Test func aReaderThatLeavesEndsItWithoutAWord() throws {
        try withSite(.user) { site in
            mkdir(site.data + "/many", 0o755)
            for index in 0..<20000 {
                close(
                    open("\(site.data)/many/\(index)-\(String(repeating: "n", count: 60))", O_CREAT | O_WRONLY, 0o644))
            }
            let ended = try RunningProgram([
                "bash", "-c",
                #""$0" ls -U --record-layer user -o "$1" localhost:/data/many | head -n 1 | wc -l; echo "${PIPESTATUS[0]}""#,
                Programs.path("xfer"), "port=\(site.port),\(site.credentials)",
            ]).wait()
            #expect(ended.output == "1\n141\n" && ended.error == "", "\(ended)")
            #expect(Set(lines(try site.xfer("ls", "-U", "localhost:/data/many"))).count == 20000)
        }
    }

    @Test(arguments: [
        (["ls", "-tS", "h:/x"], "-t, -S and -U"), (["ls", "-Ur", "h:/x"], "-U has no order"),
        (["ls", "local"], "'local' is a local path"), (["stat"], "path"),
        (["cat", "h:/x", "local/file"], "'local/file'"), (["cat", "-r", "9-1", "h:/x"], "'9-1'"),
        (["cat", "--tail", "1", "--offset", "2", "h:/x"], "--tail"), (["du", "-sa", "h:/x"], "-s is the sum"),
        (["du", "-d", "-1", "h:/x"], "-d"), (["cat", "--tail", "x", "h:/x"], "'x'"),
    ]) func commandLinesThatMakeNoSense(arguments: [String], word: String) throws {
        let ended = try RunningProgram([Programs.path("xfer")] + arguments).wait()
        expectFailure(ended, status: 2, word)
        #expect(ended.output == "")
    }

    @Test(arguments: ["ls", "stat", "cat", "du"]) func helpHasExamples(command: String) throws {
        let ended = try RunningProgram([Programs.path("xfer"), command, "--help"]).wait()
        #expect(ended.status == 0 && ended.output.contains("xfer \(command) ") && ended.output.contains("server:/data"))
        #expect(ended.output.contains("Exit status: 0"))
    }
}
