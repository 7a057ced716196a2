import Glibc
import TestSupport
import Testing

/// Trees there and back.
@Suite struct TreeCopyTests {
    /// On a tmpfs and on /tmp: in the kTLS lab that has neither file handles nor O_TMPFILE.
    static let cases = Layer.available.flatMap { layer in ["/dev/shm", "/tmp"].map { (layer, $0) } }

    @Test(arguments: cases) func aTreeGoesBothWays(layer: Layer, place: String) throws {
        var setup = Site.Setup()
        setup.place = place
        try withSite(layer, setup) { site in
            let tree = site.local + "/tree"
            for path in [tree, tree + "/a", tree + "/a/b", tree + "/empty", tree + "/wörter und mehr"] {
                mkdir(path, 0o755)
            }
            for index in 0..<60 {
                try write(pattern(index * index * 97, seed: UInt64(index)), to: "\(tree)/a/f\(index)")
            }
            try write(pattern((3 << 20) + 17), to: tree + "/a/b/big")
            try write("", to: tree + "/wörter und mehr/leer")
            symlink("a/f1", tree + "/link")
            symlink("/nowhere/at all", tree + "/a/dangling")
            symlink("..", tree + "/a/b/up")
            chmod(tree + "/a/f5", 0o400)
            chmod(tree + "/empty", 0o500)
            // A name that is no UTF-8: bytes, as the file system has them.
            let raw: [CChar] = Array(tree.utf8CString.dropLast()) + [0x2f, 0x62, -1, -2, 0x64, 0]
            let file = open(raw, O_WRONLY | O_CREAT | O_CLOEXEC, 0o644)
            try #require(file >= 0)
            _ = Glibc.write(file, "raw", 3)
            close(file)
            let times = [timespec(tv_sec: 1_000_000_000, tv_nsec: 0), timespec(tv_sec: 1_100_000_000, tv_nsec: 5000)]
            for path in ["/a/f7", "/a/b", "/empty", ""] { utimensat(AT_FDCWD, tree + path, times, 0) }

            expectDone(try site.xfer("put", "-rp", "tree", "localhost:/data"))
            try expectSame(tree, site.data + "/tree")
            expectDone(try site.xfer("get", "-rp", "localhost:/data/tree", "back"))
            try expectSame(tree, site.local + "/back")
            // Once more onto what is there, with a link where there is one already.
            expectDone(try site.xfer("put", "-rp", "tree", "localhost:/data"))
            try expectSame(tree, site.data + "/tree")
            chmod(tree + "/empty", 0o700)
        }
    }

    /// A directory is open only as long as something goes into it.
    @Test(.notInTheLab) func aTreeMayHaveMoreDirectoriesThanAProcessDescriptors() throws {
        try withSite(.user) { site in
            let tree = site.published + "/tree"
            mkdir(tree, 0o755)
            let times = [timespec(tv_sec: 1_000_000_000, tv_nsec: 0), timespec(tv_sec: 1_100_000_000, tv_nsec: 0)]
            for index in 0..<300 {
                mkdir("\(tree)/d\(index)", 0o755)
                try write("\(index)", to: "\(tree)/d\(index)/file")
                chmod("\(tree)/d\(index)", 0o500)
                utimensat(AT_FDCWD, "\(tree)/d\(index)", times, 0)
            }
            let options = "port=\(site.port),nconnect=1,\(site.credentials)"
            let command = "ulimit -n 128 && exec \"$0\" get -rp --record-layer user -o \"$1\" localhost:/public/tree ."
            expectDone(
                try RunningProgram(["/bin/sh", "-c", command, Programs.path("xfer"), options], directory: site.local)
                    .wait())
            for index in 0..<300 {
                #expect(contents(of: "\(site.local)/tree/d\(index)/file") == "\(index)")
                let there = try status(of: "\(site.local)/tree/d\(index)")
                #expect(there.st_mode & 0o7777 == 0o500 && there.st_mtim.tv_sec == 1_100_000_000)
                chmod("\(site.local)/tree/d\(index)", 0o700)
                chmod("\(tree)/d\(index)", 0o700)
            }
        }
    }

    @Test(arguments: Layer.available) func theContentsOfAnExportGoIntoADirectory(layer: Layer) throws {
        try withSite(layer) { site in
            mkdir(site.published + "/sub", 0o755)
            try write("one", to: site.published + "/sub/one")
            mkdir(site.local + "/here", 0o755)
            expectDone(try site.xfer("get", "-r", "localhost:/public", "here"))
            #expect(contents(of: site.local + "/here/public/sub/one") == "one")
            expectDone(try site.xfer("get", "-r", "localhost:/public", "new"))
            #expect(contents(of: site.local + "/new/sub/one") == "one")
            expectDone(try site.xfer("put", "-r", ".", "localhost:/data"))
            #expect(contents(of: site.data + "/new/sub/one") == "one")
        }
    }

    /// What one file has against being copied is said, the rest is copied, and the exit status says that it was not all.
    @Test(arguments: Layer.available) func oneBadFileDoesNotSpoilTheTree(layer: Layer) throws {
        try withSite(layer) { site in
            let tree = site.local + "/tree"
            mkdir(tree, 0o755)
            for name in ["a", "b", "c"] { try write(name, to: tree + "/" + name) }
            mkfifo(tree + "/pipe", 0o600)
            mkdir(site.data + "/tree", 0o755)
            // A directory has the name that a file wants.
            mkdir(site.data + "/tree/b", 0o755)
            let ended = try site.xfer("put", "-r", "tree", "localhost:/data")
            expectFailure(ended, status: 3, "/data/tree/b", "1 failed", "left out: tree/pipe")
            #expect(contents(of: site.data + "/tree/a") == "a" && contents(of: site.data + "/tree/c") == "c")
            #expect(names(in: site.data + "/tree") == ["a", "b", "c"])
        }
    }

    /// Times of links are not kept.
    /// As diff(1) -r, and modes, times and links besides; directories' contents by the names' bytes.
    private func expectSame(_ left: String, _ right: String) throws {
        let listing =
            #"cd "$0" && find . -printf '%P %y %m %l %s %T@\n' | sed -e 's/^\(.* d [0-9]*  \)[0-9]* /\1/' -e '/ l 777 /s/ [0-9.]*$//' | sort"#
        let lists = try [left, right].map { try RunningProgram(["sh", "-c", listing, $0]).wait().output }
        let lines = lists.map { Set($0.split(separator: "\n").map(String.init)) }
        #expect(lines[0].subtracting(lines[1]) == [] && lines[1].subtracting(lines[0]) == [])
        let difference = try RunningProgram(["diff", "-r", "--no-dereference", left, right]).wait()
        #expect(difference.status == 0, "\(difference)")
    }
}
