import CLinux
import Glibc
import Kernel
import NFS
import Synchronization
import SystemPackage
import Testing

@testable import FileServer

/// What the table of handles promises where the kernel's cannot be had: the same object as long as it is there, under
/// whatever name, and never another one (RFC 1813 section 2.6, NFS3ERR_STALE).
@Suite struct HandleReuseTests {
    /// Removes a file behind the server's back and makes others until one has its inode number.
    ///
    /// - Returns: whether one had: tmpfs gives each number once, and another test may have been faster.
    private func reuse(_ name: String, in directory: Directory) throws -> Bool {
        let path = "\(directory.path)/\(name)"
        var first = stat()
        stat(path, &first)
        unlink(path)
        for round in 0..<20 {
            try directory.write(name, "another file's data")
            var again = stat()
            stat(path, &again)
            if again.st_ino == first.st_ino { return true }
            // It keeps its number, so that the next one gets another.
            rename(path, "\(directory.path)/other-\(round)")
        }
        return false
    }

    @Test(arguments: [HandleKind.automatic, .table], [false, true])
    func anotherFileOfTheSameNumberIsNotGiven(kind: HandleKind, restart: Bool) throws {
        let (state, files) = (try Directory(), try Directory())
        let root = SharedDescriptor(try Files.open(files.path, O_RDONLY | O_DIRECTORY))
        guard try Fingerprint(fileSystemOf: root.raw).isKnown else { return }
        for _ in 0..<100 {
            let first = try Fixture(kind, directory: files, state: state.path)
            try files.write("file", "secret")
            let handle = try first.lookup("file")
            #expect(try first.read(handle).1 == "secret")
            // An open descriptor would keep the number in use.
            first.server.closeIdleFiles(after: 0)
            guard try reuse("file", in: files) else { continue }
            let f = restart ? try Fixture(kind, directory: files, state: state.path) : first
            #expect(try f.failure(NFS.GetAttr.self, handle) == .stale)
            let another = try f.lookup("file")
            #expect(another != handle)
            #expect(try f.read(another).1 == "another file's data")
            #expect(try f.failure(NFS.GetAttr.self, handle) == .stale, "and now that the new one is known")
            return
        }
        #expect(try !FileSystemType(of: root.raw).keepsPositions, "ext4, xfs and btrfs use numbers again")
    }

    @Test(arguments: [Fingerprint.Source.handle, .birthTime])
    func eachFingerprintTellsTwoFilesApart(source: Fingerprint.Source) throws {
        let directory = try Directory(in: Directory.memory)
        let root = try Files.open(directory.path, O_RDONLY | O_DIRECTORY)
        let fingerprint = Fingerprint(source)
        var seen: Set<UInt64> = []
        var last = timespec()
        for index in 0..<20 {
            // A tick of the clock that birth times are taken from passes with each. The file system's own files tell: what
            // clock_gettime(2) says may be ahead of it for a moment.
            let previous = last
            repeat {
                let probe = "\(directory.path)/probe"
                unlink(probe)
                try directory.write("probe", "x")
                last = try Files.status(at: root.raw, "probe").st_ctim
            } while last.tv_sec == previous.tv_sec && last.tv_nsec == previous.tv_nsec
            let name = FileName("file-\(index)")
            try directory.write("file-\(index)", "x")
            last = try Files.status(at: root.raw, "file-\(index)").st_ctim
            let first = try #require(try fingerprint.of(name, in: root.raw))
            #expect(seen.insert(first).inserted)
            // Neither names nor contents change it.
            link("\(directory.path)/\(name)", "\(directory.path)/link-\(index)")
            rename("\(directory.path)/\(name)", "\(directory.path)/moved-\(index)")
            try directory.write("moved-\(index)", "other and longer content", mode: 0o600)
            chmod("\(directory.path)/moved-\(index)", 0o400)
            #expect(try fingerprint.of(FileName("link-\(index)"), in: root.raw) == first)
            let opened = try Files.open("\(directory.path)/moved-\(index)", FileCalls.path)
            #expect(try fingerprint.of(opened.raw) == first)
        }
    }

    @Test(arguments: [Fingerprint.Source.handle, .birthTime])
    func aHandleOfAnotherGenerationIsStale(source: Fingerprint.Source) throws {
        let directory = try Directory(in: Directory.memory)
        try directory.write("file", "x")
        let root = SharedDescriptor(try Files.open(directory.path, O_RDONLY | O_DIRECTORY))
        for place in ["file", "."] as [FileName] {
            let table = try TableHandles(root, fingerprint: Fingerprint(source))
            let status = try FileCalls.status(at: root.raw, place)
            let identity = Identity(try Files.status(root.raw))
            var object = try table.object(in: root.raw, status, at: Place(directory: identity, name: place))
            #expect(object.count == 28 && object.count <= HandleSeal.objectLimit)
            _ = try table.open(object)
            // A table that knows nothing yet finds it too.
            _ = try TableHandles(root, fingerprint: Fingerprint(source)).open(object)
            object[20] ^= 1
            for table in [table, try TableHandles(root, fingerprint: Fingerprint(source))] {
                let error = #expect(throws: SystemError.self) { _ = try table.open(object) }
                #expect(error?.errno == .staleNFSFileHandle)
            }
        }
    }

    @Test func withoutFingerprintsTheServersOwnRemovalsAreKnown() throws {
        let directory = try Directory()
        try directory.write("file", "x")
        let root = SharedDescriptor(try Files.open(directory.path, O_RDONLY | O_DIRECTORY))
        let status = try FileCalls.status(at: root.raw, "file")
        let place = Place(directory: Identity(try Files.status(root.raw)), name: "file")
        let before = try TableHandles(root, fingerprint: Fingerprint(.none))
        before.removed(Identity(status))
        let old = try before.object(in: root.raw, status, at: place)
        // The server restarts, and removes the file; the next one has its number.
        let table = try TableHandles(root, fingerprint: Fingerprint(.none))
        _ = try table.open(old)
        let mine = try table.object(in: root.raw, status, at: place)
        table.removed(Identity(status))
        let next = try table.object(in: root.raw, status, at: place)
        for gone in [old, mine] { #expect(throws: SystemError.self) { _ = try table.open(gone) } }
        _ = try table.open(next)
    }

    @Test(arguments: [HandleKind.automatic, .table], ["/tmp", Directory.memory])
    func whatWasMovedIsFoundAfterARestart(kind: HandleKind, parent: String) throws {
        let (state, files) = (try Directory(), try Directory(in: parent))
        for path in ["a", "a/b", "a/b/c", "d"] { files.make(directory: path) }
        try files.write("a/b/c/file", "content")
        let first = try Fixture(kind, directory: files, state: state.path)
        let directory = try first.lookup("c", in: first.lookup("b", in: first.lookup("a")))
        let file = try first.lookup("file", in: directory)
        #expect(rename("\(files.path)/a/b", "\(files.path)/d/moved") == 0)
        first.server.closeIdleFiles(after: 0)
        #expect(try first.read(file).1 == "content", "a directory above it was moved")
        #expect(rename("\(files.path)/d/moved/c/file", "\(files.path)/renamed") == 0)
        #expect(rename("\(files.path)/d/moved/c", "\(files.path)/c") == 0)
        let second = try Fixture(kind, directory: files, state: state.path)
        #expect(try second.read(file).1 == "content")
        #expect(try second.lookup("renamed") == file, "one object has one handle")
        #expect(try second.lookup("c") == directory)
        #expect(try second.attributes(directory).type == .directory)
    }

    /// /tmp is hostfs in the kTLS lab, which shows no link counts: removing one name looks like removing the file.
    private static let parentsWithLinkCounts =
        getenv("TLSD_LAB").map { String(cString: $0) } == "ktls" ? [Directory.memory] : ["/tmp", Directory.memory]

    @Test(arguments: [HandleKind.automatic, .table], parentsWithLinkCounts)
    func anyNameWillDo(kind: HandleKind, parent: String) throws {
        let files = try Directory(in: parent)
        files.make(directory: "dir")
        try files.write("one", "content")
        let f = try Fixture(kind, directory: files)
        let handle = try f.lookup("one")
        _ = try f.call(NFS.Link.self, .init(handle, link: f.target("two", in: f.lookup("dir"))))
        #expect(try f.lookup("two", in: f.lookup("dir")) == handle)
        #expect(link("\(files.path)/one", "\(files.path)/three") == 0)
        for (name, parent) in [("one", nil), ("two", try f.lookup("dir"))] as [(FileName, FileHandle?)] {
            _ = try f.call(NFS.Remove.self, f.target(name, in: parent))
            f.server.closeIdleFiles(after: 0)
            #expect(try f.read(handle).1 == "content", "\(name) was one of its names")
        }
        #expect(try f.lookup("three") == handle)
        _ = try f.call(NFS.Remove.self, f.target("three"))
        #expect(try f.failure(NFS.GetAttr.self, handle) == .stale)
    }

    @Test func withoutTheCapabilityTheTableIsUsed() throws {
        try #require(geteuid() == 0, "only root has a capability to give up")
        let (state, files) = (try Directory(), try Directory())
        files.make(directory: "dir")
        try files.write("dir/file", "content")
        try withoutCapabilities([UInt32(CLINUX_CAP_DAC_READ_SEARCH.rawValue)]) {
            let first = try Fixture(directory: files, state: state.path)
            #expect(first.server.exports.first?.tag == TableHandles.tag)
            let file = try first.lookup("file", in: first.lookup("dir"))
            let made = try first.call(NFS.Create.self, .init(first.target("new"), .guarded(.init())))
            _ = try first.write(try #require(made.object), "written")
            #expect(try first.listAll(plus: true, count: 4096).filter { $0.handle != nil }.count == 2)
            #expect(rename("\(files.path)/dir/file", "\(files.path)/moved") == 0)
            let second = try Fixture(directory: files, state: state.path)
            #expect(try second.read(file).1 == "content")
            #expect(try second.read(#require(made.object)).1 == "written")
            _ = try second.call(NFS.Remove.self, second.target("moved"))
            #expect(try second.failure(NFS.GetAttr.self, file) == .stale)
        }
    }
}

/// Runs `body` on a thread that has given capabilities up, capabilities(7): 1 is CAP_DAC_OVERRIDE, 2 is
/// CAP_DAC_READ_SEARCH.
func withoutCapabilities<R: Sendable>(_ capabilities: [UInt32], _ body: @escaping @Sendable () throws -> R) throws -> R
{
    let result = Mutex<Result<R, any Error>?>(nil)
    try Thread("unprivileged", stack: 4 << 20) {
        let outcome = Result {
            for capability in capabilities { try systemCall("capset") { clinux_drop_capability(capability) } }
            return try body()
        }
        result.withLock { $0 = outcome }
    }.join()
    return try #require(result.withLock { $0 }).get()
}
