import Glibc
import NFS
import Testing

@testable import FileServer

@Suite struct HandleTests {
    @Test func theKernelsHandlesAreUsedWhereTheyCanBeHad() throws {
        let f = try Fixture()
        // /tmp of a machine that runs these tests as root on ext4, btrfs, xfs or tmpfs has them.
        try #require(geteuid() == 0, "kernel handles need CAP_DAC_READ_SEARCH: this half of the tests was not run")
        let root = try #require(f.server.exports.first)
        let expected = (try? KernelHandles(root.root)) == nil ? TableHandles.tag : KernelHandles.tag
        #expect(root.tag == expected)
        #expect(try Fixture(.table).server.exports.first?.tag == TableHandles.tag)
    }

    @Test(arguments: [HandleKind.automatic, .table])
    func noChangedHandleIsTaken(kind: HandleKind) throws {
        let f = try Fixture(kind)
        try f.directory.write("file", "x")
        let handle = try f.lookup("file")
        for index in handle.bytes.indices {
            for bit in 0..<8 {
                var bytes = handle.bytes
                bytes[index] ^= 1 << bit
                #expect(try f.failure(NFS.GetAttr.self, #require(FileHandle(bytes))) == .badHandle)
            }
        }
        for length in 0..<handle.bytes.count {
            let cut = try #require(FileHandle(Array(handle.bytes.prefix(length))))
            #expect(try f.failure(NFS.GetAttr.self, cut) == .badHandle)
        }
    }

    /// RFC 4231 section 4.3: handles of an earlier version of the server are good as long as the code is HMAC-SHA256.
    @Test func theCodeIsHMAC() {
        let seal = HandleSeal(key: Array("Jefe".utf8))
        let mac: [UInt8] = [
            0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e, 0x6a, 0x04, 0x24, 0x26, 0x08, 0x95, 0x75, 0xc7,
        ]
        #expect(seal.mac(Array("what do ya want for nothing?".utf8)) == mac)
        let handle = seal.seal(export: 0x0102_0304, strategy: 7, object: [8, 9])
        #expect(handle?.bytes.prefix(8) == [1, 1, 2, 3, 4, 7, 8, 9])
        #expect(handle.map { seal.mac(Array($0.bytes.prefix(8))) == Array($0.bytes.dropFirst(8)) } == true)
    }

    @Test func handlesOfAnotherServerAreNotTaken() throws {
        let one = try Fixture()
        let other = try Fixture(directory: one.directory)
        #expect(try other.failure(NFS.GetAttr.self, one.root) == .badHandle)
    }

    @Test(arguments: [HandleKind.automatic, .table])
    func handlesLastAcrossRestarts(kind: HandleKind) throws {
        let (state, files) = (try Directory(), try Directory())
        files.make(directory: "a")
        files.make(directory: "a/b")
        try files.write("a/b/file", "content")
        let handle: FileHandle
        let root: FileHandle
        do {
            let first = try Fixture(kind, directory: files, state: state.path)
            handle = try first.lookup("file", in: first.lookup("b", in: first.lookup("a")))
            root = first.root
        }
        let second = try Fixture(kind, directory: files, state: state.path)
        #expect(second.root == root)
        #expect(try second.read(handle).1 == "content", "never looked up since the restart")
        var status = stat()
        stat("\(state.path)/handle.key", &status)
        #expect(status.st_mode & 0o777 == 0o600 && status.st_size == 32)
        // The same name for another directory: what was handed out for the first is no more.
        let third = try Fixture(kind, state: state.path)
        #expect(try third.failure(NFS.GetAttr.self, handle) == .stale)
    }

    @Test func aKeyFileThatIsNoneIsAnError() throws {
        let (state, files) = (try Directory(), try Directory())
        try state.write("handle.key", "short")
        let error = #expect(throws: (any Error).self) { try Fixture(directory: files, state: state.path) }
        #expect("\(String(describing: error))".contains("handle.key"))
        #expect(throws: (any Error).self) { try Fixture(directory: files, state: "\(state.path)/missing") }
    }

    @Test func exportsDoNotShareHandles() throws {
        let (one, two) = (try Directory(), try Directory())
        try one.write("file", "one")
        try two.write("file", "two")
        let server = try FileServer(
            exports: [
                try Export(name: "/one", directory: one.path, options: .forWriting),
                try Export(name: "/one/two", directory: two.path, options: .forReading),
            ], stateDirectory: nil, log: quiet)
        let mount = MountProgram(server)
        let roots = try [#require(try mount.mnt("/one")).root, #require(try mount.mnt("/one/two")).root]
        #expect(roots[0] != roots[1])
        let nfs = NFSProgram(server)
        let rename = try XDRCoder.encode(
            NFS.Rename.Arguments(
                from: DirectoryOperation(roots[0], "file"), to: DirectoryOperation(roots[1], "file")))
        #expect(throws: NFSError(.crossDevice, .rename, "t")) {
            try nfs.results(.rename, rename).withUnsafeBytes { try NFS.Rename.decode($0, subject: "t") }
        }
    }

    @Test(arguments: [HandleKind.automatic, .table])
    func whatSomebodyElseDidIsNoticed(kind: HandleKind) throws {
        let f = try Fixture(kind, directory: Directory(in: Directory.memory))
        f.directory.make(directory: "dir")
        try f.directory.write("file", "x")
        let file = try f.lookup("file")
        #expect(rename("\(f.directory.path)/file", "\(f.directory.path)/dir/elsewhere") == 0)
        f.server.closeIdleFiles(after: 0)
        #expect(try f.read(file).1 == "x", "found again")
        #expect(unlink("\(f.directory.path)/dir/elsewhere") == 0)
        #expect(try f.failure(NFS.GetAttr.self, file) == .stale)
        #expect(try f.failure(NFS.GetAttr.self, file) == .stale, "not from the cache either")
    }

    @Test func anInodeNumberUsedAgainIsAnotherFile() throws {
        let f = try Fixture(.table)
        var stale: [FileHandle] = []
        for _ in 0..<20 {
            let made = try f.call(NFS.Create.self, .init(f.target("file"), .guarded(.init())))
            stale.append(try #require(made.object))
            _ = try f.call(NFS.Remove.self, f.target("file"))
        }
        _ = try f.call(NFS.Create.self, .init(f.target("file"), .guarded(.init())))
        for handle in stale { #expect(try f.failure(NFS.GetAttr.self, handle) == .stale) }
    }
}
