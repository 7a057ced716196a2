import Glibc
import Kernel
import NFS
import RPC
import SystemPackage
import Testing

@testable import FileServer

/// PUT of xfer.x, with files that have no name until they are whole, and with temporary names.
@Suite struct XferPutTests {
    @Test(arguments: [true, false]) func aNewFile(unnamed: Bool) throws {
        let f = try Fixture.forXfer(unnamed: unnamed)
        var put = Put("content")
        put.attributes.modificationTime = .at(NFSTime(seconds: 1_000_000_000 as UInt32, nanoseconds: 123_456_789))
        try f.expectConsistency(of: f.root) {
            let made = try f.put(put)
            #expect(try f.lookup("file") == made.file)
            let attributes = try f.attributes(made.file)
            #expect(attributes == made.attributes)
            #expect(attributes.mode == 0o640 && attributes.size == 7 && attributes.linkCount == 1)
            #expect(attributes.modificationTime == NFSTime(seconds: 1_000_000_000 as UInt32, nanoseconds: 123_456_789))
            #expect(try f.read(made.file).1 == "content")
            return made.directory
        }
        #expect(try f.names == ["file"])
    }

    /// Nothing has the final name before all is there, and nothing is left where the connection ends before that.
    @Test(arguments: [true, false]) func nothingIsSeenBeforeTheEnd(unnamed: Bool) throws {
        let f = try Fixture.forXfer(unnamed: unnamed)
        try f.directory.write("file", "old")
        do {
            guard case .write(let target, let finish) = try f.begin(Put("new")) else {
                Issue.record("not begun")
                return
            }
            try Files.write(target.file.raw, Array("ne".utf8), at: 0)
            #expect(try f.names == (unnamed ? ["file"] : ["file", ".file.t.xfer"]))
            #expect(try f.directory.read("file") == "old")
            withExtendedLifetime(finish) {}
        }
        #expect(try f.names == ["file"])
    }

    @Test(arguments: [true, false]) func whatHasTheNameIsReplaced(unnamed: Bool) throws {
        let f = try Fixture.forXfer(unnamed: unnamed)
        let old = try f.create("file")
        _ = try f.write(old, "old content")
        let made = try f.put(Put("new"))
        #expect(made.file != old)
        #expect(try f.directory.read("file") == "new")
        #expect(try f.names == ["file"])
        #expect(try f.failure(NFS.GetAttr.self, old) == .stale)
        // A symbolic link itself, and not what it is to.
        symlink("file", f.path("link"))
        try f.put(Put("third", as: "link"))
        #expect(try f.directory.read("file") == "new" && f.directory.read("link") == "third")
        #expect(try f.names == ["file", "link"])
    }

    @Test(arguments: [true, false]) func whatHasTheNameIsKept(unnamed: Bool) throws {
        let f = try Fixture.forXfer(unnamed: unnamed)
        try f.put(Put("first", .keep))
        #expect(try f.directory.read("file") == "first")
        try f.expectConsistency(of: f.root) { try f.reply(Put("second", .keep)).data(failing: .exists) }
        #expect(try f.directory.read("file") == "first")
        #expect(try f.names == ["file"])
    }

    /// A killed server may have left one.
    @Test(arguments: [true, false], [Xfer.Existing.replace, .keep])
    func aStaleTemporary(unnamed: Bool, existing: Xfer.Existing) throws {
        let f = try Fixture.forXfer(unnamed: unnamed)
        try f.directory.write(".file.t.xfer", "half of some")
        if existing == .replace { try f.directory.write("file", "old") }
        try f.put(Put("new", existing))
        #expect(try f.directory.read("file") == "new")
        // Without need of the name nobody looks at what has it.
        #expect(try f.names.subtracting([".file.t.xfer"]) == ["file"])
        if !unnamed || existing == .replace { #expect(try f.names == ["file"]) }
    }

    /// Another call takes the temporary name while the data comes, as the same one does that is sent again over a new
    /// connection: what it is still writing gets no final name, and is not taken from it.
    @Test(arguments: [Xfer.Existing.replace, .keep]) func aTemporaryNameForTwo(existing: Xfer.Existing) throws {
        let f = try Fixture.forXfer(unnamed: false)
        if existing == .replace { try f.directory.write("other", "old") }
        guard case .write(let first, let finishFirst) = try f.begin(Put("first", as: "other", existing)),
            case .write(let second, let finishSecond) = try f.begin(Put("second"))
        else {
            Issue.record("not begun")
            return
        }
        try Files.write(first.file.raw, Array("first".utf8), at: 0)
        try Files.write(second.file.raw, Array("sec".utf8), at: 0)
        #expect(finishFirst(nil).status == .jukebox)
        let kept: Set = existing == .replace ? ["other"] : []
        if existing == .replace { #expect(try f.directory.read("other") == "old") }
        #expect(try f.names == kept.union([".file.t.xfer"]))
        try Files.write(second.file.raw, Array("ond".utf8), at: 3)
        #expect(finishSecond(nil).status == .ok)
        #expect(try f.directory.read("file") == "second")
        #expect(try f.names == kept.union(["file"]))
    }

    /// The same call, sent again with its data: answered as the first time, and done once.
    @Test(arguments: [true, false]) func sentTwice(unnamed: Bool) throws {
        let f = try Fixture.forXfer(unnamed: unnamed)
        var put = Put("content", .keep)
        put.transaction = 77
        let first = try f.put(put)
        #expect(try f.put(put) == first)
        #expect(try f.attributes(first.file).changeTime == first.attributes?.changeTime)
        #expect(try f.names == ["file"])
        // Another call is another one.
        put.transaction = 78
        #expect(status { try f.put(put) } == .exists)
    }

    /// The server is killed between the call and its reply: the second time finds the first one's file.
    @Test(arguments: [true, false]) func sentAgainAfterTheServerWasKilled(unnamed: Bool) throws {
        let state = try Directory(in: Directory.memory)
        let directory = try Directory(in: Directory.memory)
        /// As the next server answers, whose replies are lost with it.
        func put(_ text: String) throws -> (status: NFSStatus?, names: Set<String>) {
            var put = Put(text, .keep)
            put.transaction = 5
            let f = try Fixture(options: .forWriting, directory: directory, state: state.path, unnamedFiles: unnamed)
            return (status { try f.put(put) }, try f.names)
        }
        func loseReplies() throws {
            let requests = try RequestFile(state.path + "/requests", slots: RequestLimits().entries)
            for (slot, record) in try requests.records().records {
                try requests.write(
                    RequestRecord(key: record.key, sequence: record.sequence, begun: record.begun, reply: nil), at: slot
                )
            }
        }
        for _ in 0..<2 {
            #expect(try put("content") == (nil, ["file"]))
            try loseReplies()
        }
        // Somebody else's file of other content is not taken for it.
        #expect(try put("CONTENT") == (.exists, ["file"]))
        #expect(try directory.read("file") == "content")
    }

    @Test(arguments: [true, false]) func whatFailsLeavesNothing(unnamed: Bool) throws {
        let f = try Fixture.forXfer(unnamed: unnamed)
        mkdir(f.path("directory"), 0o755)
        try f.expectConsistency(of: f.root) {
            try f.reply(Put("x"), failing: SystemError("pwrite", .noSpace)).data(failing: .noSpace)
        }
        #expect(status { try f.put(Put("x", as: "directory")) } == .exists)
        var invalid = Put("x")
        invalid.attributes.modificationTime = .at(NFSTime(seconds: 1 as UInt32, nanoseconds: .max))
        #expect(status { try f.put(invalid) } == .invalid)
        invalid.attributes = SetAttributes(size: 100)
        #expect(status { try f.put(invalid) } == .invalid)
        invalid = Put("x")
        invalid.temporary = invalid.name
        #expect(status { try f.put(invalid) } == .invalid)
        // It is not the server's to remove what has entries.
        mkdir(f.path(".file.t.xfer"), 0o755)
        try f.directory.write("file", "old")
        #expect(status { try f.put(Put("x")) } != nil)
        rmdir(f.path(".file.t.xfer"))
        #expect(try f.names == ["directory", "file"])
        #expect(try f.directory.read("file") == "old")
    }

    /// On this machine's own file system, which in the kTLS lab knows no O_TMPFILE.
    @Test func whateverTheFileSystemHas() throws {
        let f = try Fixture(options: .forWriting)
        for text in ["first", "second"] {
            try f.put(Put(text))
            #expect(try f.directory.read("file") == text)
        }
        #expect(status { try f.put(Put("third", .keep)) } == .exists)
        try f.put(Put("third", as: "other", .keep))
        #expect(try f.names == ["file", "other"])
        #expect(try f.directory.read("file") == "second" && f.directory.read("other") == "third")
    }

    @Test func names() throws {
        let f = try Fixture.forXfer()
        let long = FileName([UInt8](repeating: 97, count: 256))
        let refusals: [(FileName, NFSStatus, NFSStatus)] = [
            ("", .accessDenied, .accessDenied), (".", .exists, .invalid), ("..", .exists, .invalid),
            ("a/b", .accessDenied, .accessDenied), (FileName([97, 0, 98]), .accessDenied, .accessDenied),
            (long, .nameTooLong, .nameTooLong),
        ]
        for (name, asName, asTemporary) in refusals {
            #expect(status { try f.put(Put("x", as: name)) } == asName, "\(name)")
            var put = Put("x")
            put.temporary = name
            #expect(status { try f.put(put) } == asTemporary, "\(name)")
        }
        #expect(try f.names == [])
    }

    @Test func noDirectory() throws {
        let f = try Fixture.forXfer()
        let file = try f.create("file")
        let head = try Xfer.Put.encode(
            .init(file, "x", temporary: "t", attributes: SetAttributes(), count: 0))
        #expect(f.answer(.put, head).status == .notDirectory)
    }

    @Test func moreThanItTakes() throws {
        let f = try Fixture.forXfer()
        let head = try Xfer.Put.encode(
            .init(f.root, "x", temporary: "t", attributes: SetAttributes(), count: FileServer.putMaximum + 1))
        let start = head.withUnsafeBytes {
            f.xfer.begin(f.call(.put), arguments: $0, payload: Int(FileServer.putMaximum) + 1)
        }
        guard case .answered(let answer) = start else {
            Issue.record("\(start)")
            return
        }
        #expect(answer.status == .invalid)
    }

    /// A small message is in memory, its data with it.
    @Test(arguments: 0..<5) func theDataInMemory(count: Int) throws {
        let f = try Fixture.forXfer()
        let head = try Xfer.Put.encode(
            .init(f.root, "file", temporary: "t", attributes: SetAttributes(mode: 0o600), count: UInt32(count)))
        let data = Array("abcde".utf8.prefix(count))
        #expect(f.answer(.put, head + data + [UInt8](repeating: 0, count: (4 - count % 4) % 4)).status == .ok)
        #expect(try f.directory.read("file") == String("abcde".prefix(count)))
        guard case .garbageArguments = f.answer(.put, head + data + [0, 0, 0, 0, 0, 0, 0, 0]) else {
            Issue.record("bytes left over")
            return
        }
    }

    @Test func readOnly() throws {
        let f = try Fixture.forXfer { $0.readOnly = true }
        #expect(status { try f.put(Put("x")) } == .readOnly)
        #expect(try f.names == [])
    }

    /// Who made it owns it, and who may not write in the directory makes nothing.
    @Test(Need.callers, arguments: [true, false]) func rights(unnamed: Bool) throws {
        let f = try Fixture.forXfer(unnamed: unnamed) { $0.squash = .root }
        let ada = f.acting(as: Users.ada)
        let made = try #require(try ada.put(Put("hers")).attributes)
        #expect(made.uid == 1001 && made.gid == 1001 && made.size == 4)
        let root = try #require(try f.put(Put("nobody's", as: "second")).attributes)
        #expect(root.uid == 65534)
        var given = Put("x", as: "third")
        given.attributes.uid = 0
        #expect(status { try ada.put(given) } == .notPermitted)
        chmod(f.directory.path, 0o755)
        #expect(status { try ada.put(Put("new")) } == .accessDenied)
        // In a sticky directory nobody replaces another's file.
        chmod(f.directory.path, 0o1777)
        #expect(status { try f.acting(as: Users.eve).put(Put("hers too")) } == .notPermitted)
        #expect(try f.directory.read("file") == "hers")
        #expect(try f.names == ["file", "second"])
    }

    @Test(Need.mounts) func aFullDisk() throws {
        let disk = try SmallDisk("size=64k")
        let f = try Fixture(options: .forWriting, directory: disk.directory)
        let data = [UInt8](repeating: 7, count: 1 << 20)
        let head = try Xfer.Put.encode(
            .init(f.root, "big", temporary: "t", attributes: SetAttributes(), count: UInt32(data.count)))
        #expect(f.answer(.put, head + data).status == .noSpace)
        #expect(try f.names == [])
        try f.put(Put("fits"))
    }
}
