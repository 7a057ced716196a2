import Certificates
import Glibc
import TestSupport
import Testing

/// The exports file: what it means, and that it can be changed while clients are at work.
@Suite struct ExportsFileTests {
    /// A site that serves what a file says besides, and the file.
    private func withExports(
        _ layer: Layer, _ text: (String) -> String, sourceLocation: SourceLocation = #_sourceLocation,
        _ body: (Site, Table) throws -> Void
    ) throws {
        let directory = try Directory()
        let table = Table(directory: directory)
        for name in ["one", "two"] { mkdir("\(directory.path)/\(name)", 0o755) }
        try table.write(text(directory.path))
        var setup = Site.Setup()
        setup.xferd = ["--exports", table.file]
        try withSite(layer, setup, sourceLocation: sourceLocation) { try body($0, table) }
    }

    private struct Table {
        let directory: Directory
        var path: String { directory.path }
        var file: String { path + "/exports" }

        func write(_ text: String) throws { try TestSupport.write(text + "\n", to: file) }

        /// Has a site load the file, and waits for the words that say how that went.
        func load(_ text: String, _ site: Site, saying words: String) throws {
            let before = site.xferd.error.ranges(of: words).count
            try write(text)
            site.xferd.signal(SIGHUP)
            try site.xferd.logged(words, count: before + 1)
        }
    }

    /// Large enough to be met in the middle.
    private func size(_ layer: Layer) -> Int { layer == .kernel || Layer.isLab ? 64 << 20 : 512 << 20 }

    @Test(arguments: Layer.available) func theFilesExportsAddUpWithTheOptions(layer: Layer) throws {
        try withExports(layer, { "/one=\($0)/one 127.0.0.0/8(rw,no_root_squash)\n/two=\($0)/two 192.0.2.0/24(rw)" }) {
            site, table in
            try write("hello", to: site.local + "/f")
            expectDone(try site.xfer("put", "f", "localhost:/one"))
            #expect(contents(of: table.path + "/one/f") == "hello")
            expectDone(try site.xfer("put", "f", "localhost:/data"))
            expectFailure(try site.xfer("ls", "localhost:/two"), "/two", "permission denied")
        }
    }

    /// The transfer stands still while the file changes around it, and ends on the connections that it began on.
    @Test(arguments: Layer.available) func aReloadTouchesNoTransfer(layer: Layer) throws {
        try withExports(layer, { "/one=\($0)/one *(ro,no_root_squash)" }) { site, table in
            let get = try transfer(site, table, "get", ["localhost:/one/big", "copy"])
            try table.load(
                "/one=\(table.path)/one *(ro,no_root_squash,async) 192.0.2.1\n/two=\(table.path)/two *(ro,no_root_squash)",
                site, saying: "exports loaded")
            expectDone(try site.xfer("ls", "localhost:/two"))
            try table.load("/one=\(table.path)/one 127.0.0.1(no_root_squash)", site, saying: "exports loaded")
            expectFailure(try site.xfer("ls", "localhost:/two"), "not in any export")
            let secured = site.tlssd.error.ranges(of: "session secured").count
            get.signal(SIGCONT)
            expectDone(try get.wait())
            #expect(try status(of: site.local + "/copy").st_size == size(layer))
            #expect(
                site.tlssd.error.ranges(of: "session secured").count == secured, "no connection had to be made anew")
        }
    }

    @Test(arguments: Layer.available) func newRulesHoldFromTheNextCallOn(layer: Layer) throws {
        try withExports(layer, { "/one=\($0)/one *(rw,no_root_squash)" }) { site, table in
            let put = try transfer(site, table, "put", ["big", "localhost:/one/copy"])
            try table.load("/one=\(table.path)/one *(ro,no_root_squash)", site, saying: "exports loaded")
            put.signal(SIGCONT)
            expectFailure(try put.wait(), "/one/copy", "the export is read-only")
            #expect(!exists(table.path + "/one/copy"))
        }
    }

    @Test(arguments: Layer.available) func aWithdrawnExportIsStale(layer: Layer) throws {
        try withExports(layer, { "/one=\($0)/one *(ro,no_root_squash)" }) { site, table in
            let get = try transfer(site, table, "get", ["localhost:/one/big", "copy"])
            try table.load("# nothing", site, saying: "exports loaded")
            get.signal(SIGCONT)
            expectFailure(try get.wait(), "/one/big", "NFS3ERR_STALE")
            #expect(names(in: site.local) == [])
            expectDone(try site.xfer("ls", "localhost:/data"))
            // The same name for another directory is another export; the old name comes back as it was.
            try table.load("/one=\(table.path)/two *(ro,no_root_squash)", site, saying: "exports loaded")
            #expect(try site.xfer("ls", "localhost:/one").output == "")
            try table.load("/one=\(table.path)/one *(ro,no_root_squash)", site, saying: "exports loaded")
            #expect(try site.xfer("ls", "localhost:/one").output.contains("big"))
        }
    }

    @Test(arguments: Layer.available) func aMistakeKeepsTheOldTable(layer: Layer) throws {
        try withExports(layer, { "/one=\($0)/one *(ro,no_root_squash)" }) { site, table in
            let get = try transfer(site, table, "get", ["localhost:/one/big", "copy"])
            let kept = "the exports stay as they were"
            try table.load(
                "/two=\(table.path)/two *(rww)\n/three=\(table.path)/three @them(ro)", site, saying: kept)
            try site.xferd.logged("\(table.file):1: rww: there is no such option")
            try site.xferd.logged("\(table.file):2: /three=\(table.path)/three: no such directory")
            try site.xferd.logged("\(table.file):2: @them: netgroups are not asked here")
            // A name that an option of the command line has already is seen only when both are put together.
            try table.load("/data=\(table.path)/two *", site, saying: kept)
            try site.xferd.logged("export /data: the name is given twice")
            unlink(table.file)
            site.xferd.signal(SIGHUP)
            try site.xferd.logged("\(table.file): no such file")
            get.signal(SIGCONT)
            expectDone(try get.wait())
            expectFailure(try site.xfer("ls", "localhost:/two"), "not in any export")
        }
    }

    /// A transfer that was stopped in the middle.
    private func transfer(
        _ site: Site, _ table: Table, _ command: String, _ arguments: [String]
    ) throws -> RunningProgram {
        let isGet = command == "get"
        try sparse((isGet ? table.path + "/one" : site.local) + "/big", size(site.layer))
        let program = try site.start(command, arguments)
        let target = isGet ? site.local : table.path + "/one"
        try underWay(target, beyond: 4 << 20, program)
        program.signal(SIGSTOP)
        try #require(names(in: target).contains { $0.hasSuffix(".xfer") }, "it is done already")
        return program
    }

    /// An export for which TLS alone is good enough has the server take clients without a certificate, from then on.
    @Test(arguments: Layer.available) func aReloadChangesWhoGetsThroughTheHandshake(layer: Layer) throws {
        try withExports(layer, { "/one=\($0)/one *(no_root_squash)" }) { site, table in
            let anonymous = "xprtsec=tls,cafile=\(site.pki.certificateFile)"
            expectFailure(try site.xfer("ls", "localhost:/one", options: anonymous), "certificate")
            try table.load("/one=\(table.path)/one *(no_root_squash,xprtsec=tls)", site, saying: "exports loaded")
            expectDone(try site.xfer("ls", "localhost:/one", options: anonymous))
            expectFailure(try site.xfer("ls", "localhost:/data", options: anonymous), "/data")
            try site.xferd.logged("export /data asks for a client certificate (xprtsec=mtls)")
        }
    }

    private func check(_ text: String) throws -> (ended: Ended, path: String, file: String) {
        let directory = try Directory()
        mkdir(directory.path + "/a", 0o755)
        let file = directory.path + "/exports"
        try write(text.replacing("DIR", with: directory.path), to: file)
        return (try RunningProgram([Programs.path("xferd"), "--check-exports", file]).wait(), directory.path, file)
    }

    @Test(.notInTheLab) func whatAFileMeans() throws {
        let (ended, path, _) = try check(
            """
            # a comment
            DIR/a -rw 192.0.2.0/255.255.255.0 alice@Example.org(tlscertuser,all_squash)
            "/the music=DIR/a" *(xprtsec=none,async,anonuid=7,cleartext_mount,secure)

            """)
        expectDone(ended)
        #expect(
            ended.output == """
                \(path)/a 192.0.2.0/24(rw,sync,root_squash,anonuid=65534,anongid=65534,xprtsec=mtls,insecure)
                \(path)/a alice@example.org(rw,sync,all_squash,anonuid=65534,anongid=65534,xprtsec=mtls,tlscertuser,insecure)
                /the\\040music=\(path)/a *(ro,async,root_squash,anonuid=7,anongid=65534,xprtsec=none:tls:mtls,cleartext_mount,secure)

                """)
        #expect(ended.error == "")
    }

    @Test(.notInTheLab) func whatIsWrongInAFile() throws {
        let (ended, path, file) = try check("DIR/a *(rw)\nDIR/a host(tls) \\\n  10.0.0.0/33\nDIR/b *(ro)\n")
        #expect(ended.status == 1 && ended.output == "")
        #expect(
            ended.error == """
                \(file):2: host: only a certificate has this name, and xprtsec=tls does without: xprtsec=mtls
                \(file):3: 10.0.0.0/33: the prefix has 0 to 32 bits
                \(file):4: \(path)/b: no such directory

                """)
    }

    @Test(.notInTheLab) func nothingIsServedFromAWrongFile() throws {
        let directory = try Directory()
        let file = directory.path + "/exports"
        let missing = try RunningProgram([Programs.path("xferd"), "--exports", file, "--listen", "127.0.0.1:0"]).wait()
        expectFailure(missing, "\(file): no such file")
        try write("\(directory.path) *(rx)\n", to: file)
        let wrong = try RunningProgram([Programs.path("xferd"), "--exports", file, "--listen", "127.0.0.1:0"]).wait()
        expectFailure(wrong, "\(file):1: rx: there is no such option")
        let option = try RunningProgram([
            Programs.path("xferd"), "--export", "/a=\(directory.path),rx", "--listen", "127.0.0.1:0",
        ]).wait()
        expectFailure(option, "export /a: rx: there is no such option")
    }

    @Test(.notInTheLab) func whatIsNotThereIsSaidAtStart() throws {
        let directory = try Directory()
        let start = [
            Programs.path("xferd"), "--export", "/a=\(directory.path)", "--listen", "127.0.0.1:0", "--tlssd",
            directory.path + "/tlssd.sock",
        ]
        let ended = try RunningProgram(start + ["--state", directory.path + "/no"]).wait()
        expectFailure(ended, status: 64, "--state", directory.path + "/no", "no directory")
        let xferd = try RunningProgram(start + ["--state", directory.path])
        try xferd.logged("tlssd does not answer")
        #expect(try xferd.stop().status == 0)
    }
}
