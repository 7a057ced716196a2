import Glibc
import TestSupport
import Testing

/// Copies within one machine, whose two sides meet; and several sources that would have one place.
@Suite(.notInTheLab) struct OverlapTests {
    @Test func aDirectoryIsNotCopiedIntoItself() throws {
        try withSite(.user) { site in
            mkdir(site.data + "/a", 0o755)
            try write("one", to: site.data + "/a/f")
            expectFailure(
                try site.xfer("put", "-r", site.data + "/a", "localhost:/data/a"), status: 3,
                "\(site.data)/a/a", "not copied into itself")
            #expect(contents(of: site.data + "/a/a/f") == "one")
            #expect(names(in: site.data + "/a/a") == ["f"])
            // The other way, into a directory deeper in it that is there already.
            mkdir(site.data + "/b", 0o755)
            mkdir(site.data + "/b/c", 0o755)
            try write("two", to: site.data + "/b/f")
            expectFailure(
                try site.xfer("get", "-r", "localhost:/data/b", site.data + "/b/c"), status: 3, "not copied into itself"
            )
            #expect(contents(of: site.data + "/b/c/b/f") == "two")
            #expect(names(in: site.data + "/b/c/b").sorted() == ["c", "f"])
            #expect(names(in: site.data + "/b/c/b/c") == [])
        }
    }

    /// `--delete` takes away what the source does not have: the source itself, where it is in the target.
    @Test(arguments: [false, true]) func theSourceIsNotDeleted(isPushed: Bool) throws {
        try withSite(.user) { site in
            let tree = site.data + "/tree"
            for path in ["", "/x", "/x/src"] { mkdir(tree + path, 0o755) }
            for file in ["/f", "/old", "/x/src/f", "/x/src/g"] { try write(file, to: tree + file) }
            let (source, target) =
                isPushed ? (tree + "/x/src/", "localhost:/data/tree") : ("localhost:/data/tree/x/src/", tree)
            for option in ["--dry-run", "--max-delete=10"] {
                expectFailure(
                    try site.xfer("sync", "--delete", option, source, target), status: 3, "/x/src", "the source itself")
            }
            for file in ["/old", "/x/src/f", "/x/src/g"] { #expect(contents(of: tree + file) == file) }
            #expect(contents(of: tree + "/f") == "/x/src/f" && contents(of: tree + "/g") == "/x/src/g")
        }
    }

    @Test func severalSourcesNeedADirectory() throws {
        try withSite(.user) { site in
            mkdir(site.local + "/d", 0o755)
            for name in ["a", "b", "d/a"] { try write(name, to: "\(site.local)/\(name)") }
            try write("old", to: site.data + "/old")
            for name in ["new", "old"] {
                expectFailure(
                    try site.xfer("put", "a", "b", "localhost:/data/\(name)"), "/data/\(name)", "is no directory")
            }
            expectFailure(try site.xfer("put", "a", "d/a", "localhost:/data"), "a and d/a", "the same name")
            #expect(names(in: site.data) == ["old"] && contents(of: site.data + "/old") == "old")
            // One thing twice is one thing.
            expectDone(try site.xfer("put", "a", "a", "b", "localhost:/data"))
            #expect(names(in: site.data).sorted() == ["a", "b", "old"])

            for name in ["d/new", "b"] {
                expectFailure(
                    try site.xfer("get", "localhost:/data/a", "localhost:/data/old", name), name, "is no directory")
            }
            #expect(contents(of: site.local + "/b") == "b" && names(in: site.local + "/d") == ["a"])
            expectFailure(try site.xfer("get", "localhost:/data/a", "new/"), "new/", "no such directory")
            #expect(!names(in: site.local).contains("new"))
        }
    }

    /// A tree that is deleted is not open all at once.
    @Test func aWideTreeIsDeletedWithFewDescriptors() throws {
        try withSite(.user) { site in
            mkdir(site.published + "/tree", 0o755)
            try write("kept", to: site.published + "/tree/kept")
            let tree = site.local + "/tree"
            mkdir(tree, 0o755)
            try write("kept", to: tree + "/kept")
            mkdir(tree + "/old", 0o755)
            for a in 0..<12 {
                mkdir("\(tree)/old/\(a)", 0o755)
                for b in 0..<12 {
                    mkdir("\(tree)/old/\(a)/\(b)", 0o755)
                    for c in 0..<3 { mkdir("\(tree)/old/\(a)/\(b)/\(c)", 0o755) }
                }
            }
            let options = "port=\(site.port),nconnect=1,\(site.credentials)"
            let command =
                "ulimit -n 100 && exec \"$0\" sync --delete --record-layer user -o \"$1\" localhost:/public/tree/ tree"
            expectDone(
                try RunningProgram(["/bin/sh", "-c", command, Programs.path("xfer"), options], directory: site.local)
                    .wait())
            #expect(names(in: tree) == ["kept"])
        }
    }

    @Test func rulesCountForStandardInput() throws {
        try withSite(.user) { site in
            try write("old", to: site.data + "/old")
            // Standard input has nothing, which would be a file without content.
            expectDone(try site.xfer("put", "--ignore-existing", "-", "localhost:/data/old"))
            expectDone(try site.xfer("put", "--existing", "-", "localhost:/data/new"))
            #expect(contents(of: site.data + "/old") == "old")
            #expect(names(in: site.data) == ["old"])
        }
    }

    /// Directories of a group keep the bit by which what is made in them belongs to the group.
    @Test func aDirectoryKeepsItsSetGroupID() throws {
        try withSite(.user) { site in
            for tree in [site.local + "/tree", site.data + "/tree"] { mkdir(tree, 0o755) }
            chmod(site.data + "/tree", 0o2770)
            try write("new", to: site.local + "/tree/f")
            expectDone(try site.xfer("put", "-rp", "tree", "localhost:/data"))
            #expect(try status(of: site.data + "/tree").st_mode & 0o7777 == 0o2755)
        }
    }
}
