import Glibc
import Kernel
import NFS
import SystemPackage
import Testing

@testable import FileServer

/// File systems of the tests' own: what only root can make.
@Suite(.serialized, .enabled(if: geteuid() == 0, "mounting a file system takes root")) struct MountedTests {
    /// A memory file system of 64 KiB, unmounted at the end.
    private final class Mounted {
        let path: String

        init(_ path: String) throws {
            self.path = path
            guard mount("tmpfs", path, "tmpfs", 0, "size=64k") == 0 else {
                throw SystemError("mount", Errno(rawValue: errno), on: path)
            }
        }

        deinit { umount2(path, Int32(MNT_DETACH)) }
    }

    @Test func aFullDisk() throws {
        let directory = try Directory()
        directory.make(directory: "small")
        let small = try Mounted("\(directory.path)/small")
        let server = try FileServer(
            exports: [Export(name: "/e", directory: small.path, options: .forWriting)], stateDirectory: nil, log: quiet)
        let nfs = NFSProgram(server)
        let root = try #require(try MountProgram(server).mnt("/e")).root
        let create = try XDRCoder.encode(NFS.Create.Arguments(DirectoryOperation(root, "big"), .guarded(.init())))
        let made = try nfs.results(.create, create).withUnsafeBytes { try NFS.Create.decode($0, subject: "t") }
        let file = try #require(made.object)
        let head = try NFS.Write.encode(.init(file, offset: 0, count: 1 << 20, stability: .unstable))
        let bytes = try nfs.results(.write, head + [UInt8](repeating: 7, count: 1 << 20))
        let error = #expect(throws: NFSError.self) {
            try bytes.withUnsafeBytes { try NFS.Write.decode($0, subject: "t") }
        }
        #expect(error?.status == .noSpace)
        // A text this long needs a page of its own, and there is none left.
        let text = FileName([UInt8](repeating: 120, count: 4000))
        let link = try XDRCoder.encode(NFS.SymLink.Arguments(DirectoryOperation(root, "l"), .init(), text: text))
        let refused = try nfs.results(.symLink, link)
        #expect(throws: NFSError(.noSpace, .symLink, "t")) {
            try refused.withUnsafeBytes { try NFS.SymLink.decode($0, subject: "t") }
        }
        let remove = try XDRCoder.encode(DirectoryOperation(root, "big"))
        _ = try nfs.results(.remove, remove)
        let figures = try nfs.results(.fsStat, XDRCoder.encode(root)).withUnsafeBytes {
            try NFS.FSStat.decode($0, subject: "t")
        }
        #expect(figures.freeBytes == figures.totalBytes, "the removed file is not kept open")
    }

    @Test(arguments: [HandleKind.automatic, .table])
    func whatIsMountedInAnExportIsNotExported(kind: HandleKind) throws {
        let f = try Fixture(kind)
        f.directory.make(directory: "other")
        let mounted = try Mounted("\(f.directory.path)/other")
        defer { withExtendedLifetime(mounted) {} }
        try f.directory.write("other/secret", "x")
        #expect(try f.failure(NFS.Lookup.self, f.target("other")) == .accessDenied)
        #expect(throws: MountError.self) { try f.mount.mnt("/e/other") }
        let entry = try #require(try f.listPlus().listing.entries.first { $0.name == "other" })
        #expect(entry.handle == nil && entry.attributes == nil)
    }
}
