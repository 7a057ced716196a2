import Glibc
import Kernel
import NFS
import RPC
import SystemPackage
import TestSupport
import Testing

@testable import FileServer

/// PUTFILES of xfer.x, with files that have no name until they are whole, and with temporary names.
@Suite struct XferPutFilesTests {
    private func put(_ name: FileName, _ text: String = "new", tag: String = "t") -> Put {
        var put = Put(text, as: name)
        put.temporary = FileName(".\(name).\(tag).xfer")
        return put
    }

    @Test(arguments: [true, false], [true, false]) func newFiles(unnamed: Bool, synchronize: Bool) throws {
        let f = try Fixture.forXfer(unnamed: unnamed)
        let largest = String(repeating: "x", count: Xfer.fileDataLimit)
        var puts = [put("empty", ""), put("five", "12345"), put("largest", largest)]
        let time = NFSTime(seconds: 1_000_000_000 as UInt32, nanoseconds: 123_456_789)
        puts[1].attributes = SetAttributes(mode: 0o4604, accessTime: .now, modificationTime: .at(time))
        #expect(try f.putFiles(puts, synchronize: synchronize) == [.ok, .ok, .ok])
        for put in puts {
            #expect(try f.directory.read(put.name.description) == put.text)
            let attributes = try f.attributes(f.lookup(put.name))
            #expect(attributes.mode == put.attributes.mode && attributes.linkCount == 1)
            #expect((attributes.modificationTime == time) == (put.name == "five"))
        }
        #expect(try f.names == ["empty", "five", "largest"])
        #expect(try f.putFiles([]) == [])
    }

    /// As many as there may be, in one call.
    @Test(arguments: [true, false]) func asManyAsThereMayBe(unnamed: Bool) throws {
        let f = try Fixture.forXfer(unnamed: unnamed)
        let puts = (0..<Xfer.filesLimit).map { put(FileName("\($0)"), "text \($0)") }
        #expect(try f.putFiles(puts) == Array(repeating: .ok, count: puts.count))
        for put in puts { #expect(try f.directory.read(put.name.description) == put.text) }
        #expect(try f.names.count == puts.count)
    }

    #if DEBUG
    /// An error of the file system may be another file's: then each file is put on disk by itself.
    @Test func notPutOnDiskTogether() throws {
        let f = try Fixture.forXfer()
        let puts = (0..<8).map { put(FileName("\($0)"), "text \($0)") }
        // More than other tests take at the same time.
        let statuses = try FaultScript.with("syncfs", Array(repeating: .ioError, count: 1000)) { try f.putFiles(puts) }
        #expect(statuses == Array(repeating: .ok, count: 8))
        for put in puts { #expect(try f.directory.read(put.name.description) == put.text) }
        #expect(try f.names.count == 8)
    }
    #endif

    @Test(arguments: [true, false]) func whatHasTheNameIsReplaced(unnamed: Bool) throws {
        let f = try Fixture.forXfer(unnamed: unnamed)
        try f.directory.write("file", "old")
        symlink("file", f.path("link"))
        #expect(try f.putFiles([put("file"), put("other"), put("link", "third")]) == [.ok, .ok, .ok])
        // A symbolic link itself, and not what it is to.
        #expect(try f.directory.read("file") == "new" && f.directory.read("link") == "third")
        #expect(try f.names == ["file", "link", "other"])
    }

    @Test(arguments: [true, false]) func whatHasTheNameIsKept(unnamed: Bool) throws {
        let f = try Fixture.forXfer(unnamed: unnamed)
        try f.directory.write("file", "old")
        #expect(try f.putFiles([put("first"), put("file"), put("last")], .keep) == [.ok, .exists, .ok])
        #expect(try f.directory.read("file") == "old" && f.directory.read("last") == "new")
        #expect(try f.names == ["file", "first", "last"])
    }

    /// Whatever becomes of one keeps no other from being put.
    @Test(arguments: [true, false]) func badOnesAmongGoodOnes(unnamed: Bool) throws {
        let f = try Fixture.forXfer(unnamed: unnamed)
        let (file, gone) = (try f.create("file"), try f.makeDirectory("gone"))
        rmdir(f.path("gone"))
        mkdir(f.path("directory"), 0o755)
        let stranger = try Fixture.forXfer()
        let other = try Directory(in: Directory.memory)
        try f.server.reload(
            f.server.exports.compactMap(\.current)
                + [try Export(name: "/other", directory: other.path, options: .forWriting)])
        let mounted = try #require(try f.mount.mnt("/other")).root
        var (own, sized, timed) = (put("own"), put("sized"), put("timed"))
        own.temporary = own.name
        sized.attributes.size = 3
        timed.attributes.modificationTime = .at(NFSTime(seconds: 1 as UInt32, nanoseconds: .max))
        var bad: [(Put, FileHandle, NFSStatus)] = [
            (put(""), f.root, .accessDenied), (put("a/b"), f.root, .accessDenied), (put("."), f.root, .exists),
            (put(".."), f.root, .exists), (put(FileName([UInt8](repeating: 97, count: 256))), f.root, .nameTooLong),
            (own, f.root, .invalid), (sized, f.root, .invalid), (timed, f.root, .invalid),
            (put("directory"), f.root, .exists), (put("x"), file, .notDirectory), (put("x"), gone, .stale),
            (put("x"), stranger.root, .badHandle), (put("x"), mounted, .crossDevice),
        ]
        for name: FileName in ["", "..", "a/b"] {
            var one = put("temporary")
            one.temporary = name
            bad.append((one, f.root, name == ".." ? .invalid : .accessDenied))
        }
        var (puts, directories, expected): ([Put], [FileHandle], [NFSStatus]) = ([], [], [])
        for (index, (put, directory, status)) in bad.enumerated() {
            puts += [put, self.put(FileName("good\(index)"))]
            directories += [directory, f.root]
            expected += [status, .ok]
        }
        #expect(try f.putFiles(puts, in: directories) == expected)
        #expect(try f.names == Set(bad.indices.map { "good\($0)" }).union(["file", "directory"]))
        #expect(names(in: other.path) == [])
        // The export is that of the call's object.
        #expect(try f.putFiles([put("x")], in: [f.root], object: mounted) == [.crossDevice])
        #expect(try f.putFiles([put("x")], in: [mounted], object: mounted) == [.ok])
        #expect(names(in: other.path) == ["x"])
    }

    /// One after another, and back: each file where it belongs.
    @Test(arguments: [true, false]) func severalDirectories(unnamed: Bool) throws {
        let f = try Fixture.forXfer(unnamed: unnamed)
        let directories = [try f.makeDirectory("a"), try f.makeDirectory("b"), f.root]
        let puts = (0..<9).map { put(FileName("f\($0)"), "\($0)") }
        #expect(
            try f.putFiles(puts, in: puts.indices.map { directories[$0 % 3] }) == Array(repeating: .ok, count: 9))
        for index in 0..<9 { #expect(try f.directory.read(["a/", "b/", ""][index % 3] + "f\(index)") == "\(index)") }
        #expect(try f.names == ["a", "b", "f2", "f5", "f8"])
    }

    /// Files of one call get into each other's way where a client gives them one name: none of them is a mix, and
    /// nothing is left.
    @Test(arguments: [true, false]) func oneNameForTwo(unnamed: Bool) throws {
        let f = try Fixture.forXfer(unnamed: unnamed)
        #expect(try f.putFiles([put("file", "first"), put("other"), put("file", "third")]).last == .ok)
        #expect(try f.directory.read("file") == "third")
        #expect(try f.names == ["file", "other"])
        var (one, two) = (put("one", "1"), put("two", "2"))
        (one.temporary, two.temporary) = ("t", "t")
        // Whose file was taken from its name is asked to try again.
        #expect(try f.putFiles([one, two]) == [unnamed ? .ok : .jukebox, .ok])
        #expect(try f.directory.read("two") == "2")
        #expect(try f.names == Set(["file", "other", "two"]).union(unnamed ? ["one"] : []))
    }

    /// A killed server may have left one.
    @Test(arguments: [true, false]) func aStaleTemporary(unnamed: Bool) throws {
        let f = try Fixture.forXfer(unnamed: unnamed)
        try f.directory.write(".file.t.xfer", "half of some")
        try f.directory.write("file", "old")
        #expect(try f.putFiles([put("file")]) == [.ok])
        #expect(try f.directory.read("file") == "new")
        #expect(try f.names == ["file"])
    }

    @Test func readOnly() throws {
        let f = try Fixture.forXfer { $0.readOnly = true }
        #expect(try f.putFiles([put("a"), put("b")]) == [.readOnly, .readOnly])
        #expect(try f.names == [])
    }

    // MARK: Sent again

    @Test(arguments: [true, false]) func sentTwice(unnamed: Bool) throws {
        let f = try Fixture.forXfer(unnamed: unnamed)
        let puts = [put("a"), put("a", tag: "u"), put("b")]
        let first = try f.putFiles(puts, .keep, transaction: 7)
        #expect(first == [.ok, .exists, .ok])
        try f.directory.write("b", "written since")
        #expect(try f.putFiles(puts, .keep, transaction: 7) == first)
        #expect(try f.directory.read("b") == "written since")
        // Another call is another one, and so is one with other names.
        #expect(try f.putFiles(puts, .keep, transaction: 8) == [.exists, .exists, .exists])
        #expect(try f.putFiles([put("c")], .keep, transaction: 7) == [.ok])
    }

    /// What the last server answered, the next one does.
    @Test(arguments: [true, false]) func sentAgainToTheNextServer(unnamed: Bool) throws {
        let (state, directory) = (try Directory(in: Directory.memory), try Directory(in: Directory.memory))
        func server() throws -> Fixture {
            try Fixture(options: .forWriting, directory: directory, state: state.path, unnamedFiles: unnamed)
        }
        let puts = (0..<Xfer.filesLimit).map { put(FileName("\($0 / 2)"), "text", tag: "\($0)") }
        let first = try server().putFiles(puts, .keep, transaction: 7)
        #expect(first == puts.indices.map { $0 % 2 == 0 ? .ok : .exists })
        try directory.write("0", "written since")
        #expect(try server().putFiles(puts, .keep, transaction: 7) == first)
        #expect(try directory.read("0") == "written since")
    }

    /// The server is killed between the call and its reply: what it had done is found, and the rest is done. What somebody
    /// else has made is not taken for it.
    @Test(arguments: [true, false]) func sentAgainAfterTheServerWasKilled(unnamed: Bool) throws {
        let (state, directory) = (try Directory(in: Directory.memory), try Directory(in: Directory.memory))
        func server() throws -> Fixture {
            try Fixture(options: .forWriting, directory: directory, state: state.path, unnamedFiles: unnamed)
        }
        let puts = [put("done"), put("not done"), put("another's"), put("another mode")]
        func key() throws -> RequestKey {
            let f = try server()
            let bytes = try f.putFilesCall(puts, .keep)
            let decoded = try #require(bytes.withUnsafeBytes { Xfer.PutFiles.decode($0) })
            return bytes.withUnsafeBytes {
                RequestKey(f.call(.putFiles, transaction: 7), arguments: $0, without: decoded.files.map(\.data))
            }
        }
        do {
            let (key, begun) = (try key(), UInt64(max(0, time(nil))) * 1_000_000_000)
            let requests = try RequestFile(state.path + "/requests", slots: RequestLimits().entries)
            try requests.write(RequestRecord(key: key, sequence: 1, begun: begun, reply: nil), at: 3)
        }
        try directory.write("another's", "old")
        for (name, mode) in [("done", 0o640), ("another mode", 0o600)] as [(String, mode_t)] {
            try directory.write(name, "new")
            chmod(directory.path + "/" + name, mode)
        }
        let f = try server()
        #expect(try f.putFiles(puts, .keep, transaction: 7) == [.ok, .ok, .exists, .exists])
        #expect(try directory.read("not done") == "new" && directory.read("another's") == "old")
        #expect(try f.names == ["done", "not done", "another's", "another mode"])
        // Nobody was killed since: the same files again are there already.
        #expect(try f.putFiles(puts, .keep, transaction: 8) == [.exists, .exists, .exists, .exists])
    }

    /// Data does not count in what a call is known by, lengths and all else do.
    @Test func whatACallIsKnownBy() throws {
        let f = try Fixture.forXfer()
        func key(_ puts: [Put]) throws -> RequestKey {
            let bytes = try f.putFilesCall(puts)
            let decoded = try #require(bytes.withUnsafeBytes { Xfer.PutFiles.decode($0) })
            return bytes.withUnsafeBytes {
                RequestKey(f.call(.putFiles, transaction: 7), arguments: $0, without: decoded.files.map(\.data))
            }
        }
        let puts = [put("a", "one"), put("b", "two")]
        let usual = try key(puts)
        #expect(try key(puts) == usual && key([put("a", "ONE"), put("b", "two")]) == usual)
        for other in [[put("a", "one")], [put("a", "one"), put("c", "two")], [put("a", "one"), put("b", "three")]] {
            #expect(try key(other) != usual)
        }
    }

    // MARK: Rights

    /// Who put them owns them, and who may not write in a directory makes nothing there.
    @Test(Need.callers, arguments: [true, false]) func rights(unnamed: Bool) throws {
        let f = try Fixture.forXfer(unnamed: unnamed) { $0.squash = .root }
        let ada = f.acting(as: Users.ada)
        let closed = try f.acting(as: Users.root).makeDirectory("closed", mode: 0o755)
        var (given, last) = (put("given"), put("last"))
        given.attributes.uid = 0
        last.attributes.uid = 1001
        let puts = [put("hers"), put("not hers"), given, last]
        #expect(
            try ada.putFiles(puts, in: [f.root, closed, f.root, f.root]) == [.ok, .accessDenied, .notPermitted, .ok])
        for name: FileName in ["hers", "last"] {
            let made = try f.attributes(f.lookup(name))
            #expect(made.uid == 1001 && made.gid == 1001)
        }
        #expect(try f.putFiles([put("nobody's")]) == [.ok])
        #expect(try f.attributes(f.lookup("nobody's")).uid == 65534)
        // In a sticky directory nobody replaces another's file.
        chmod(f.directory.path, 0o1777)
        #expect(try f.acting(as: Users.eve).putFiles([put("hers", "eve's"), put("eve's")]) == [.notPermitted, .ok])
        #expect(try f.directory.read("hers") == "new")
        #expect(try f.names == ["closed", "hers", "last", "nobody's", "eve's"])
    }

    @Test(Need.mounts, arguments: [true, false]) func aFullDisk(unnamed: Bool) throws {
        let disk = try SmallDisk("size=64k")
        let f = try Fixture(options: .forWriting, directory: disk.directory, unnamedFiles: unnamed)
        let largest = String(repeating: "x", count: Xfer.fileDataLimit)
        #expect(try f.putFiles([put("a"), put("large", largest), put("b")]) == [.ok, .noSpace, .ok])
        #expect(try f.names == ["a", "b"])
        #expect(try f.directory.read("b") == "new")
    }
}
