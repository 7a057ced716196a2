import Certificates
import Glibc
import TestSupport
import Testing

/// `xfer rm`, `mkdir` and `mv`.
@Suite(.notInTheLab)
struct NameCommandTests {
    @Test(arguments: Layer.available) func filesAndTreesAreTakenAway(layer: Layer) throws {
        try withSite(layer) { site in
            mkdir(site.directory.path + "/outside", 0o755)
            try write("kept", to: site.directory.path + "/outside/f")
            for directory in ["", "/a", "/a/deep", "/a/deep/er", "/b", "/empty"] {
                mkdir("\(site.data)/tree\(directory)", 0o755)
                for index in 0..<150 where directory != "/empty" {
                    try write("x", to: "\(site.data)/tree\(directory)/f\(index)")
                }
            }
            symlink(site.directory.path + "/outside", site.data + "/tree/link")
            symlink("nothing", site.data + "/dangling")
            try write("x", to: site.data + "/one")
            try write("x", to: site.data + "/stays")

            expectFailure(
                try site.xfer("rm", "localhost:/data/tree", "localhost:/data/one"), status: 3,
                "localhost:/data/tree: is a directory (-r")
            #expect(names(in: site.data) == ["dangling", "stays", "tree"])
            let removed = try site.xfer("rm", "-rv", "localhost:/data/tree", "localhost:/data/dangling")
            expectDone(removed)
            #expect(removed.output.split(separator: "\n").count == 5 * 150 + 6 + 2, "\(removed.error)")
            #expect(removed.output.contains("removed localhost:/data/tree/a/deep/er/f149\n"))
            #expect(names(in: site.data) == ["stays"])
            #expect(contents(of: site.directory.path + "/outside/f") == "kept")

            expectFailure(try site.xfer("rm", "localhost:/data/gone"), "localhost:/data/gone: no such file")
            expectDone(try site.xfer("rm", "-f", "localhost:/data/gone", "localhost:/data/no/where"))
            // Several exports in one go; one of them is not to be written.
            try write("x", to: site.published + "/p")
            expectFailure(
                try site.xfer("rm", "localhost:/public/p", "localhost:/data/stays", "localhost:/none/x"), status: 3,
                "localhost:/public/p: ", "localhost:/none/x: ")
            #expect(names(in: site.data) == [] && names(in: site.published) == ["p"])
        }
    }

    @Test func whatIsNeverTakenAway() throws {
        try withSite(.user) { site in
            mkdir(site.data + "/d", 0o755)
            try write("x", to: site.data + "/d/f")
            expectDone(try site.xfer("mount", "localhost:/data/d", "work"))
            for place in ["localhost:/data", "localhost:/data/"] {
                expectFailure(try site.xfer("rm", "-rf", place), "is what the server exports")
            }
            for place in ["localhost:/data/d/.", "work:", "work:.", "work:./", "localhost:/data/d/../d", "/local"] {
                expectFailure(try site.xfer("rm", "-rf", place), status: 2, "'\(place)'")
            }
            expectFailure(try site.xfer("rm", "-r", "-o", "ro", "localhost:/data/d"), "mounted read-only (-o ro)")
            #expect(contents(of: site.data + "/d/f") == "x")
            expectDone(try site.xfer("rm", "work:f"))
            #expect(names(in: site.data + "/d") == [])
        }
    }

    /// Root may do everything, so xfer is another user here.
    @Test(.enabled(if: geteuid() == 0, "who is not root cannot be somebody else; not in the kTLS lab"))
    func theRestGoesOnWhereOneFails() throws {
        try withSite(.user) { site in
            mkdir(site.data + "/tree", 0o777)
            chmod(site.data + "/tree", 0o777)
            for name in ["mine", "theirs"] {
                mkdir("\(site.data)/tree/\(name)", 0o755)
                for index in 0..<20 { try write("x", to: "\(site.data)/tree/\(name)/f\(index)") }
            }
            chown(site.data + "/tree/mine", 4711, 4711)
            for path in [site.directory.path, site.directory.path + "/pki"] { chmod(path, 0o755) }
            chown(site.client.keyFile, 4711, 4711)
            let ended = try RunningProgram(
                [
                    "setpriv", "--reuid=4711", "--regid=4711", "--clear-groups", Programs.path("xfer"), "rm", "-r",
                    "-o",
                    "port=\(site.port),\(site.credentials)", "localhost:/data/tree",
                ]).wait()
            expectFailure(ended, status: 3, "localhost:/data/tree/theirs/f0: ", "NFS3ERR_ACCES")
            #expect(names(in: site.data + "/tree") == ["theirs"])
            #expect(names(in: site.data + "/tree/theirs").count == 20)
            // Said for each file, and not again for the directories they keep.
            #expect(ended.error.ranges(of: "NFS3ERR_NOTEMPTY").isEmpty)
        }
    }

    @Test(arguments: Layer.available) func directoriesAreMade(layer: Layer) throws {
        try withSite(layer) { site in
            expectDone(try site.xfer("mkdir", "localhost:/data/a", "localhost:/data/a/b"))
            expectFailure(try site.xfer("mkdir", "localhost:/data/a"), "localhost:/data/a: ", "exists")
            expectFailure(try site.xfer("mkdir", "localhost:/data/x/y"), "localhost:/data/x: no such file")
            let made = try site.xfer("mkdir", "-pv", "-m", "2750", "localhost:/data/a/c/d/e", "localhost:/data")
            expectDone(made)
            #expect(
                made.error.hasSuffix(
                    "made localhost:/data/a/c\nmade localhost:/data/a/c/d\nmade localhost:/data/a/c/d/e\n"), "\(made)")
            #expect(try status(of: site.data + "/a/c/d/e").st_mode & 0o7777 == 0o2750)
            #expect(try status(of: site.data + "/a/c/d").st_mode & 0o700 == 0o700)
            expectDone(try site.xfer("mkdir", "-p", "localhost:/data/a/c/d"))
            try write("x", to: site.data + "/file")
            expectFailure(
                try site.xfer("mkdir", "-p", "localhost:/data/file"), "/data/file: is there, and no directory")
            expectFailure(try site.xfer("mkdir", "-p", "localhost:/data/file/x"), "file")
            expectFailure(
                try site.xfer("mkdir", "localhost:/data/new", "localhost:/public/new"), status: 3, "/public/new")
            #expect(exists(site.data + "/new"))
            for mode in ["8", "77777", "-1", "+7", "rwx"] {
                expectFailure(try site.xfer("mkdir", "--mode=\(mode)", "localhost:/data/m"), status: 2, "--mode")
            }
        }
    }

    @Test(arguments: Layer.available) func namesAreChanged(layer: Layer) throws {
        try withSite(layer) { site in
            mkdir(site.data + "/d", 0o755)
            try write("1", to: site.data + "/a")
            expectDone(try site.xfer("mv", "localhost:/data/a", "localhost:/data/b"))
            #expect(contents(of: site.data + "/b") == "1")
            expectDone(try site.xfer("mv", "localhost:/data/b", "localhost:/data/d"))
            #expect(contents(of: site.data + "/d/b") == "1")
            expectDone(try site.xfer("mv", "localhost:/data/d/b", "localhost:/data"))
            #expect(names(in: site.data) == ["b", "d"])

            try write("2", to: site.data + "/c")
            expectFailure(try site.xfer("mv", "-n", "localhost:/data/c", "localhost:/data/b"), "/data/b: is there")
            #expect(contents(of: site.data + "/b") == "1" && contents(of: site.data + "/c") == "2")
            expectDone(try site.xfer("mv", "-n", "localhost:/data/c", "localhost:/data/e"))
            #expect(names(in: site.data) == ["b", "d", "e"])
            #expect(try status(of: site.data + "/e").st_nlink == 1)
            expectDone(try site.xfer("mv", "-f", "localhost:/data/e", "localhost:/data/b"))
            #expect(contents(of: site.data + "/b") == "2" && names(in: site.data) == ["b", "d"])
            expectDone(try site.xfer("mv", "-n", "localhost:/data/d", "localhost:/data/dir"))
            #expect(names(in: site.data) == ["b", "dir"])
        }
    }

    @Test func nothingIsLostByMoving() throws {
        try withSite(.user) { site in
            mkdir(site.data + "/d", 0o755)
            try write("in d", to: site.data + "/d/f")
            try write("1", to: site.data + "/a")
            link(site.data + "/a", site.data + "/b")
            symlink("a", site.data + "/l")
            func mv(_ from: String, _ to: String, _ words: String..., status: Int32 = 1) throws {
                let ended = try site.xfer("mv", from, to)
                #expect(ended.status == status, "\(from) \(to): \(ended)")
                for word in words { #expect(ended.error.contains(word), "\(from) \(to): \(ended)") }
            }
            try mv("localhost:/data/a", "localhost:/data/a", "has that name already")
            try mv("localhost:/data/a", "localhost:/data", "has that name already")
            try mv("localhost:/data/a", "localhost:/data/b", "same file", "both names are kept")
            try mv("localhost:/data/d", "localhost:/data/d", "cannot go into itself")
            try mv("localhost:/data/d", "localhost:/data/d/e", "cannot go into itself")
            try mv("localhost:/data", "localhost:/data/d", "what the server exports")
            try mv("localhost:/data/d", "localhost:/data/a", "not a directory")
            try mv("localhost:/data/a", "localhost:/data/none/", "is not a directory")
            try mv("localhost:/data/a", "localhost:/data/none/x", "no such file")
            try mv("localhost:/data/none", "localhost:/data/a", "no such file")
            try mv("localhost:/data/a", "localhost:/public/a", "different exports", "xfer get", "xfer put")
            try mv("localhost:/data/a", "127.0.0.1:/data/z", "different servers", "xfer get", status: 2)
            try mv("localhost:/data/a", "z", "local path", status: 2)
            #expect(names(in: site.data) == ["a", "b", "d", "l"])
            #expect(contents(of: site.data + "/a") == "1" && contents(of: site.data + "/d/f") == "in d")
            // A link is moved itself.
            expectDone(try site.xfer("mv", "localhost:/data/l", "localhost:/data/m"))
            #expect(names(in: site.data) == ["a", "b", "d", "m"])
        }
    }
}
