import NFS
import Testing

@testable import FileServer

@Suite struct MountTests {
    private func status(_ f: Fixture, _ path: FileName) -> Mount.Status? {
        do {
            _ = try f.mount.mnt(path)
            return nil
        } catch {
            return (error as? MountError)?.status
        }
    }

    @Test(arguments: [HandleKind.automatic, .table])
    func pathsBeneathAnExport(kind: HandleKind) throws {
        let f = try Fixture(kind)
        f.directory.make(directory: "a")
        f.directory.make(directory: "a/b")
        try f.directory.write("file", "")
        let b = try f.lookup("b", in: f.lookup("a"))
        for path: FileName in ["/e/a/b", "/e//a/./b/", "//e/a/b"] { #expect(try f.mount.mnt(path)?.root == b) }
        #expect(try f.mount.mnt("/e/")?.root == f.root)
        #expect(try f.mount.mnt("/e")?.flavors == [1, 0])
        for path: FileName in ["/", "", "e", "/ee", "/x", "/e/missing"] {
            #expect(status(f, path) == .noEntry, "\(path)")
        }
        #expect(status(f, "/e/a/..") == .accessDenied)
        #expect(status(f, "/e/../e") == .accessDenied)
        #expect(status(f, "/e/file") == .notDirectory)
        #expect(status(f, FileName([47, 101, 47, 97, 0] as [UInt8])) == .accessDenied)
    }

    @Test func whoHasMountedWhat() throws {
        let f = try Fixture()
        f.directory.make(directory: "a")
        _ = try f.mount.mnt("/e/a")
        _ = try f.mount.mnt("/e/a")
        func dump() throws -> [Mount.MountEntry] {
            try #require(f.mount.results(.dump)).withUnsafeBytes { try Mount.decodeDump($0, subject: "t") }
        }
        let host: FileName = "192.0.2.1"
        #expect(try dump() == [.init(host: host, path: "/e"), .init(host: host, path: "/e/a")])
        #expect(try f.mount.results(.umnt, Mount.encode(path: "/e"))?.isEmpty == true)
        #expect(try dump() == [.init(host: host, path: "/e/a")])
        #expect(f.mount.results(.umntAll)?.isEmpty == true)
        #expect(try dump().isEmpty)
        let exports = try #require(f.mount.results(.export)).withUnsafeBytes {
            try Mount.decodeExports($0, subject: "t")
        }
        #expect(exports == [Mount.ExportEntry(path: "/e", groups: ["*"])])
        #expect(f.mount.results(.null)?.isEmpty == true)
    }
}
