import Glibc
import TestSupport
import Testing
import Transfer

@Suite struct MountTableTests {
    private static let text = """
        # my servers

        work\tserver:/data/work   port=20490,cafile=/etc/ca.pem
        home  [2001:db8::1]:/home/a\\040b
        """

    @Test func readsWhatAPersonWrote() throws {
        let table = try MountTable(Self.text, file: "f")
        #expect(table.entries.map(\.name) == ["work", "home"])
        #expect(table["work"]?.place.description == "server:/data/work")
        #expect(table["work"]?.options == "port=20490,cafile=/etc/ca.pem")
        #expect(table["home"]?.place.path == "/home/a b")
        #expect(table["home"]?.options == "")
        #expect(table["server"] == nil)
        #expect(table.known == "mounted are work, home")
        #expect(MountTable().known == "no name is mounted")
    }

    @Test func takesTheLineEndsOfOtherSystems() throws {
        let table = try MountTable("# mine\r\nwork h:/x ro\r\n", file: "f")
        #expect(table["work"]?.options == "ro")
        #expect(table.text == "# mine\r\nwork h:/x ro\r\n")
    }

    @Test func keepsTheRestWhereOneComesOrGoes() throws {
        var table = try MountTable(Self.text, file: "f")
        #expect(table.text == Self.text + "\n")
        table.add(try MountedName("a.b_c-1", place: "nfs://h:99/x y\\z?rsize=8192", options: "ro"))
        #expect(table.text == Self.text + "\na.b_c-1\th:/x\\040y\\134z\tport=99,rsize=8192,ro\n")
        #expect(try MountTable(table.text, file: "f") == table)
        #expect(table.remove("work")?.name == "work")
        #expect(table.remove("work") == nil)
        #expect(table.text.hasPrefix("# my servers\n\nhome  ["))
        #expect(table.entries.map(\.name) == ["home", "a.b_c-1"])
    }

    /// Whatever a place has in it, it is one field of one line, and comes back.
    @Test(arguments: ["h:/a\tb", "h:/a\nb", "h:/a\r\nb", "h:/\\040", "h:/#", "h:/é", "h:/a \u{301}b"])
    func anyPlaceComesBack(place: String) throws {
        var table = MountTable()
        table.add(try MountedName("n", place: place, options: ""))
        let lines = table.text.utf8.count { $0 == UInt8(ascii: "\n") }
        #expect(lines == 1)
        #expect(try MountTable(table.text, file: "f")["n"]?.place.description == place)
    }

    @Test(arguments: [
        ("a", "fields"), ("a h:/x ro more", "fields"), ("-a h:/x", "short name"), ("a/b h:/x", "short name"),
        ("a x", "local path"), ("a h:x", "export"), ("a h:/x bogus", "'bogus'"), ("a h:/x port=0", "port"),
        ("work h:/x", "twice"),
    ]) func namesTheLineThatIsWrong(line: String, words: String) {
        let error = #expect(throws: UsageError.self) {
            try MountTable("work h:/y\n#\n\(line)\nlast h:/z\n", file: "/the/table")
        }
        let text = error?.description ?? ""
        #expect(text.hasPrefix("/the/table, line 3: ") && text.contains(words), "\(text)")
    }

    @Test func aPathIsBelowTheDirectory() throws {
        let work = try MountedName("work", place: "server:/data/work/", options: "ro")
        #expect(try work.place(at: "a//b/").description == "server:/data/work/a/b")
        #expect(try work.place(at: "").path == "/data/work")
        #expect(try work.place(at: "a").options == ["ro"])
        #expect(try MountedName("root", place: "server:/", options: "").place(at: "a").path == "/a")
        let error = #expect(throws: UsageError.self) { try work.place(at: "../x") }
        #expect(error?.description == "'work:../x': '..' is not allowed in a remote path")
    }

    @Test func filesOfOptionsAreNamedForEverywhere() throws {
        #expect(
            try MountedName.absolute(["cafile=ca.pem,ro", "key=/k,cert=a/b", "tlscd=@x"], in: "/home/ada")
                == "cafile=/home/ada/ca.pem,ro,key=/k,cert=/home/ada/a/b,tlscd=@x")
        #expect(try MountedName.absolute(["key=k"], in: "/") == "key=/k")
        #expect(try MountedName.absolute(["ro,key=/k"], in: "/a,b") == "ro,key=/k")
        #expect(throws: UsageError.self) { try MountedName.absolute(["key=k"], in: "/a,b") }
    }

    @Test func theFileIsPrivateAndChangedAsAWhole() throws {
        let directory = TemporaryDirectory()
        let file = MountTableFile(directory.path + "/mounts")
        #expect(try file.read() == MountTable())
        try file.change { $0.add(try MountedName("work", place: "h:/x", options: "")) }
        #expect(contents(of: file.path) == "work\th:/x\n")
        #expect(try status(of: file.path).st_mode & 0o777 == 0o600)
        // What somebody who was killed left is in nobody's way.
        try write("half", to: file.path + ".new")
        chmod(file.path + ".new", 0o644)
        try file.change { $0.add(try MountedName("home", place: "h:/y", options: "")) }
        #expect(try status(of: file.path).st_mode & 0o777 == 0o600)
        #expect(names(in: directory.path) == ["mounts", "mounts.lock"])
        struct Stop: Error {}
        #expect(throws: Stop.self) {
            try file.change { table in
                _ = table.remove("work")
                throw Stop()
            }
        }
        #expect(try file.read().entries.map(\.name) == ["work", "home"])
        try write("work\n", to: file.path)
        let error = #expect(throws: UsageError.self) { try file.change { _ = $0.remove("work") } }
        #expect(error?.description.hasPrefix("\(file.path), line 1: ") == true)
        #expect(contents(of: file.path) == "work\n")
    }

    @Test func aTableThatIsALinkStaysOne() throws {
        let directory = TemporaryDirectory()
        mkdir(directory.path + "/elsewhere", 0o700)
        try write("# mine\n", to: directory.path + "/elsewhere/table")
        symlink("elsewhere/table", directory.path + "/mounts")
        try MountTableFile(directory.path + "/mounts").change {
            $0.add(try MountedName("work", place: "h:/x", options: ""))
        }
        #expect(contents(of: directory.path + "/elsewhere/table") == "# mine\nwork\th:/x\n")
        #expect(try status(of: directory.path + "/mounts").st_mode & S_IFMT == S_IFLNK)
    }

    /// Many at once: none is lost.
    @Test func changesWaitForEachOther() throws {
        let directory = TemporaryDirectory()
        let file = MountTableFile(directory.path + "/mounts")
        let changes = try (0..<16).map { index in
            try Running { try file.change { $0.add(try MountedName("n\(index)", place: "h:/x", options: "")) } }
        }
        for change in changes { try change.value() }
        #expect(Set(try file.read().entries.map(\.name)) == Set((0..<16).map { "n\($0)" }))
    }
}
