import Glibc
import TestSupport
import Testing

/// Single files there and back.
@Suite struct FileCopyTests {
    /// Around the edges of a page, a TLS record, a READ and a pipeline of them.
    static let sizes = [0, 1, 4095, 16384, 1 << 20, (1 << 20) + 1, (5 << 20) + 3]

    @Test(arguments: Layer.available) func everySizeGoesBothWays(layer: Layer) throws {
        try withSite(layer) { site in
            // Single files by themselves; all sizes at once in a tree, for a lab starts no program in less than a second.
            let single = Layer.isLab ? [0, (1 << 20) + 1] : Self.sizes
            mkdir(site.local + "/tree", 0o755)
            for size in Self.sizes {
                let sent = pattern(size, seed: UInt64(size) + 1)
                try write(sent, to: "\(site.local)/tree/f\(size)")
                guard single.contains(size) else { continue }
                expectDone(try site.xfer("put", "tree/f\(size)", "localhost:/data"))
                expectFile("\(site.data)/f\(size)", sent)
                expectDone(try site.xfer("get", "localhost:/data/f\(size)", "back\(size)"))
                expectFile("\(site.local)/back\(size)", sent)
            }
            expectDone(try site.xfer("put", "-r", "tree", "localhost:/data"))
            expectDone(try site.xfer("get", "-r", "localhost:/data/tree", "back"))
            for size in Self.sizes {
                let sent = pattern(size, seed: UInt64(size) + 1)
                expectFile("\(site.data)/tree/f\(size)", sent)
                expectFile("\(site.local)/back/f\(size)", sent)
            }
            // Nothing but the files: no temporary name stays.
            #expect(names(in: site.data) == (single.map { "f\($0)" } + ["tree"]).sorted())
            #expect(names(in: site.local) == (single.map { "back\($0)" } + ["back", "tree"]).sorted())
            #expect(names(in: site.data + "/tree") == Self.sizes.map { "f\($0)" }.sorted())
            #expect(names(in: site.local + "/back") == Self.sizes.map { "f\($0)" }.sorted())
        }
    }

    @Test(arguments: Layer.available) func preserveKeepsModeAndTime(layer: Layer) throws {
        try withSite(layer) { site in
            try write("text", to: site.local + "/a")
            chmod(site.local + "/a", 0o741)
            let times = [
                timespec(tv_sec: 1_000_000_000, tv_nsec: 123_456_789),
                timespec(tv_sec: 1_234_567_890, tv_nsec: 987_654_321),
            ]
            utimensat(AT_FDCWD, site.local + "/a", times, 0)
            expectDone(try site.xfer("put", "-p", "a", "localhost:/data/b"))
            expectDone(try site.xfer("get", "-p", "localhost:/data/b", "c"))
            for copy in [site.data + "/b", site.local + "/c"] {
                let status = try status(of: copy)
                #expect(status.st_mode & 0o7777 == 0o741)
                #expect(status.st_mtim.tv_sec == 1_234_567_890 && status.st_mtim.tv_nsec == 987_654_321)
            }
            // Without it the time is the copy's and the mode what the umask leaves.
            expectDone(try site.xfer("get", "localhost:/data/b", "d"))
            let plain = try status(of: site.local + "/d")
            #expect(plain.st_mtim.tv_sec > 1_600_000_000)
            let mask = umask(0o022)
            umask(mask)
            #expect(plain.st_mode & 0o7777 == 0o741 & ~mask)
        }
    }

    /// A copy belongs to who makes it: a program that runs as its owner must not become one of theirs.
    @Test(.notInTheLab) func preserveKeepsNoSetIDBits() throws {
        try withSite(.user) { site in
            try write("text", to: site.published + "/a")
            chmod(site.published + "/a", 0o6755)
            expectDone(try site.xfer("get", "-p", "localhost:/public/a", "a"))
            #expect(try status(of: site.local + "/a").st_mode & 0o7777 == 0o755)
        }
    }

    /// The rename would put a file in place of /dev/null.
    @Test(.notInTheLab) func whatIsNoFileIsNotReplaced() throws {
        try withSite(.user) { site in
            try write("text", to: site.published + "/a")
            mkfifo(site.local + "/pipe", 0o600)
            symlink("pipe", site.local + "/link")
            for name in ["pipe", "link"] {
                expectFailure(try site.xfer("get", "localhost:/public/a", name), status: 1, name, "neither a file")
            }
            mkdir(site.local + "/in", 0o700)
            mkfifo(site.local + "/in/a", 0o600)
            expectFailure(try site.xfer("get", "localhost:/public/a", "in"), status: 1, "in/a", "not a regular file")
            #expect(names(in: site.local) == ["in", "link", "pipe"] && names(in: site.local + "/in") == ["a"])
        }
    }

    @Test(.notInTheLab) func aLinkThatIsNamedIsFollowed() throws {
        try withSite(.user) { site in
            try write("text", to: site.local + "/file")
            symlink("file", site.local + "/link")
            expectDone(try site.xfer("put", "link", "localhost:/data"))
            #expect(contents(of: site.data + "/link") == "text")
            #expect(try status(of: site.data + "/link").st_mode & S_IFMT == S_IFREG)
        }
    }

    /// Names come from the server: what they would do to a terminal is not done.
    @Test(.notInTheLab) func messagesHaveNoControlCharacters() throws {
        try withSite(.user) { site in
            mkdir(site.published + "/tree", 0o755)
            mkfifo(site.published + "/tree/a\u{1b}]0;title\u{7}b", 0o600)
            let ended = try site.xfer("get", "-r", "localhost:/public/tree", "tree")
            expectDone(ended)
            #expect(ended.error.contains("tree/a?]0;title?b") && !ended.error.contains("\u{1b}"))
        }
    }

    @Test(arguments: Layer.available) func anExistingFileIsReplacedInOneStep(layer: Layer) throws {
        try withSite(layer) { site in
            let (old, new) = (pattern(3 << 20, seed: 3), pattern(2 << 20, seed: 4))
            try write(new, to: site.local + "/new")
            try write(old, to: site.data + "/there")
            try write(old, to: site.local + "/here")
            // Who has the old file open keeps it whole: the name alone changes hands.
            let (remote, here) = (
                open(site.data + "/there", O_RDONLY | O_CLOEXEC), open(site.local + "/here", O_RDONLY | O_CLOEXEC)
            )
            defer {
                close(remote)
                close(here)
            }
            expectDone(try site.xfer("put", "new", "localhost:/data/there"))
            expectFile(site.data + "/there", new)
            expectDone(try site.xfer("get", "localhost:/data/there", "here"))
            expectFile(site.local + "/here", new)
            for file in [remote, here] {
                var buffer = [UInt8](repeating: 0, count: old.count)
                var at = 0
                while at < buffer.count {
                    let count = buffer.withUnsafeMutableBytes {
                        read(file, $0.baseAddress.map { $0 + at }, $0.count - at)
                    }
                    if count <= 0 { break }
                    at += count
                }
                let isOld = buffer == old
                #expect(isOld)
            }
            #expect(names(in: site.data) == ["there"])
        }
    }

    @Test(arguments: Layer.available) func oddNamesSurvive(layer: Layer) throws {
        try withSite(layer) { site in
            let odd = [
                "two words", " leading", "trailing ", "grüße-日本語-🎉", "-dash", "a\"quote'", "semi;colon", "new\nline",
                "tab\t",
                "star*?[x]", "back\\slash", "comma,=", "a:b", String(repeating: "n", count: 255),
                String(repeating: "é", count: 127),
            ]
            for (index, name) in odd.enumerated() { try write("contents \(index)", to: "\(site.local)/\(name)") }
            // In a tree they come from a directory, alone from the command line.
            expectDone(try site.xfer("put", "-r", ".", "localhost:/data"))
            for (index, name) in odd.enumerated() {
                #expect(contents(of: "\(site.data)/\(name)") == "contents \(index)", "put \(name)")
                guard !Layer.isLab || index % 4 == 0 else { continue }
                expectDone(try site.xfer("put", "./\(name)", "localhost:/data"))
                expectDone(try site.xfer("get", "--", "localhost:/data/\(name)", "back"))
                #expect(contents(of: "\(site.local)/back") == "contents \(index)", "get \(name)")
            }
            #expect(names(in: site.data) == odd.sorted())
        }
    }

    @Test(arguments: Layer.available) func destinationsFollowTheRulesOfCp(layer: Layer) throws {
        try withSite(layer) { site in
            try write("one", to: site.local + "/one")
            mkdir(site.data + "/dir", 0o755)
            mkdir(site.local + "/dir", 0o755)
            expectDone(try site.xfer("put", "one", "localhost:/data/dir"))
            expectDone(try site.xfer("put", "one", "localhost:/data/dir/"))
            expectDone(try site.xfer("put", "./one", "localhost:/data/dir/two"))
            expectDone(try site.xfer("put", site.local + "/one", "localhost:/data"))
            #expect(names(in: site.data) == ["dir", "one"])
            #expect(names(in: site.data + "/dir") == ["one", "two"])
            expectDone(try site.xfer("get", "localhost:/data/dir/two", "dir"))
            expectDone(try site.xfer("get", "localhost:/data/dir/two", "dir/three"))
            expectDone(try site.xfer("get", "localhost:/data/dir/two"))
            expectDone(try site.xfer("get", "localhost://data/./dir//two", site.local + "/four"))
            #expect(names(in: site.local) == ["dir", "four", "one", "two"])
            #expect(names(in: site.local + "/dir") == ["three", "two"])

            expectFailure(try site.xfer("put", "one", "localhost:/data/no/one"), "localhost:/data/no", "no such file")
            expectFailure(try site.xfer("put", "one", "localhost:/data/one/x"), "/data/one", "ot a directory")
            expectFailure(try site.xfer("get", "localhost:/data/one", "no/one"), "no: No such file or directory")
            expectFailure(try site.xfer("get", "localhost:/data/absent", "."), "localhost:/data/absent", "no such file")
            expectFailure(try site.xfer("get", "localhost:/data/dir", "x"), "/data/dir: is a directory (-r")
            expectFailure(try site.xfer("put", "dir", "localhost:/data"), "dir: is a directory (-r")
            expectFailure(try site.xfer("put", "absent", "localhost:/data"), "absent: No such file or directory")
            #expect(names(in: site.data) == ["dir", "one"])
            #expect(names(in: site.local) == ["dir", "four", "one", "two"])
        }
    }

    /// A link that is named is what it leads to; what is no file is neither read nor replaced.
    @Test(arguments: Layer.available) func linksAndWhatIsNoFile(layer: Layer) throws {
        try withSite(layer) { site in
            try write("text", to: site.local + "/f")
            symlink("f", site.local + "/link")
            mkfifo(site.local + "/pipe", 0o600)
            expectDone(try site.xfer("put", "link", "localhost:/data"))
            #expect(contents(of: site.data + "/link") == "text")
            #expect(try status(of: site.data + "/link").st_mode & S_IFMT == S_IFREG)
            expectFailure(try site.xfer("put", "pipe", "localhost:/data"), "pipe: neither a file nor a directory")
            // A rename would put a file in the place of root's /dev/null as well.
            expectFailure(try site.xfer("get", "localhost:/data/link", "pipe"), "pipe: is there, and neither a file")
            #expect(try status(of: site.local + "/pipe").st_mode & S_IFMT == S_IFIFO)
            #expect(names(in: site.local) == ["f", "link", "pipe"])
        }
    }

    @Test(arguments: Layer.available) func lists(layer: Layer) throws {
        try withSite(layer) { site in
            try write(pattern(12345), to: site.data + "/file")
            chmod(site.data + "/file", 0o640)
            mkdir(site.data + "/dir", 0o755)
            symlink("file", site.data + "/link")
            try write("x", to: site.data + "/\u{1b}[31mred")
            let short = try site.xfer("ls", "localhost:/data")
            expectDone(short)
            #expect(short.output == "\u{1b}[31mred\ndir\nfile\nlink\n")
            let long = try site.xfer("ls", "-l", "localhost:/data").output.split(separator: "\n").map(String.init)
            #expect(
                long.contains { $0.hasPrefix("-rw-r----- 1 ") && $0.contains(" 12345 ") && $0.hasSuffix(" file") },
                "\(long)")
            #expect(long.contains { $0.hasPrefix("drwxr-xr-x ") && $0.hasSuffix(" dir") })
            #expect(long.contains { $0.hasPrefix("lrwxrwxrwx ") && $0.hasSuffix(" link -> file") })
            #expect(try site.xfer("ls", "localhost:/data/file").output == "file\n")
            #expect(try site.xfer("ls", "localhost:/data/dir").output == "")
            expectFailure(try site.xfer("ls", "localhost:/data/none"), "localhost:/data/none", "no such file")
        }
    }
}
