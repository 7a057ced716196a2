import Glibc
import TestSupport
import Testing

/// Debian's libnfs-utils, on any kernel: NFSv3 in cleartext, against an export that says so.
@Suite struct LibnfsToolTests {
    /// xferd with `/open` in cleartext and `/closed` for clients with a certificate alone. It needs no tlssd for the one,
    /// and must not let anybody into the other.
    private struct Site {
        let directory: Directory
        let xferd: RunningProgram
        private let port: UInt16

        init() throws {
            directory = try Directory()
            let path = directory.path
            for name in ["open", "closed", "local"] { mkdir("\(path)/\(name)", 0o755) }
            xferd = try RunningProgram([
                Programs.path("xferd"), "--export", "/open=\(path)/open,rw,no_root_squash,xprtsec=none", "--export",
                "/closed=\(path)/closed,rw,no_root_squash,xprtsec=mtls", "--listen", "127.0.0.1:0", "--tlssd",
                path + "/none.sock", "--announce",
            ])
            guard let port = UInt16(try xferd.line()) else { throw Unexpected("no port: \(xferd.output)") }
            self.port = port
        }

        /// Version 3 is libnfs's default; without the ports it would ask rpcbind.
        func url(_ path: String) -> String { "nfs://127.0.0.1\(path)?nfsport=\(port)&mountport=\(port)" }

        func run(_ words: String...) throws -> Ended {
            try RunningProgram(words, directory: directory.path + "/local").wait()
        }
    }

    @Test func filesGoBothWays() throws {
        let site = try Site()
        let (local, served) = (site.directory.path + "/local", site.directory.path + "/open")
        // Around the edges of what libnfs asks for at once.
        for size in [0, 1, (1 << 20) - 1, 1 << 20, (5 << 20) + 3] {
            let sent = pattern(size, seed: UInt64(size))
            try write(sent, to: "\(local)/f\(size)")
            expectDone(try site.run("nfs-cp", "f\(size)", site.url("/open/f\(size)")))
            #expect(bytes(of: "\(served)/f\(size)") == sent)
            expectDone(try site.run("nfs-cp", site.url("/open/f\(size)"), "back\(size)"))
            #expect(bytes(of: "\(local)/back\(size)") == sent)
        }
        #expect(try site.xferd.stop().status == 0)
    }

    @Test func listsAndPrints() throws {
        let site = try Site()
        let served = site.directory.path + "/open"
        try write("some text\n", to: served + "/text", mode: 0o640)
        mkdir(served + "/dir", 0o750)
        // More than one READDIR holds.
        for number in 0..<2000 { try write("", to: "\(served)/dir/file-with-a-name-\(number)") }
        let listed = try site.run("nfs-ls", site.url("/open"))
        expectDone(listed)
        let lines = listed.output.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
        #expect(lines.contains { $0.first == "-rw-r-----" && $0.suffix(2) == ["10", "text"] }, "\(listed)")
        #expect(lines.contains { $0.first == "drwxr-x---" && $0.last == "dir" })
        #expect(lines.count == 2)
        let many = try site.run("nfs-ls", site.url("/open/dir")).output.split(separator: "\n")
            .compactMap { $0.split(separator: " ").last.map(String.init) }
        #expect(many.sorted() == names(in: served + "/dir"))
        #expect(try site.run("nfs-cat", site.url("/open/text")).output == "some text\n")

        let absent = try site.run("nfs-cat", site.url("/open/absent"))
        #expect(absent.status != 0 && absent.error.contains("NFS3ERR_NOENT"), "\(absent)")
        #expect(try site.xferd.stop().status == 0)
    }

    @Test func whatIsNotForCleartextIsNotGiven() throws {
        let site = try Site()
        try write("secret", to: site.directory.path + "/closed/file")
        let read = try site.run("nfs-cat", site.url("/closed/file"))
        #expect(read.status != 0 && !read.output.contains("secret"), "\(read)")
        try write("text", to: site.directory.path + "/local/file")
        #expect(try site.run("nfs-cp", "file", site.url("/closed/new")).status != 0)
        #expect(names(in: site.directory.path + "/closed") == ["file"])
        try site.xferd.logged(
            "export /closed asks for a client certificate (xprtsec=mtls), and the connection has no TLS")
        #expect(try site.xferd.stop().status == 0)
    }
}
