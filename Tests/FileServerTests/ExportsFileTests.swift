import Glibc
import Testing

@testable import FileServer

/// exports(5), as far as we have it.
@Suite struct ExportsFileTests {
    private func parse(_ text: String) throws -> [Export] { try ExportsFile.parse(Array(text.utf8), name: "exports") }

    /// The messages of a file that is wrong.
    private func mistakes(_ bytes: [UInt8]) -> [String] {
        do throws(ExportsFileError) {
            _ = try ExportsFile.parse(bytes, name: "exports")
            return []
        } catch {
            return error.lines
        }
    }

    private func mistakes(_ text: String) -> [String] { mistakes(Array(text.utf8)) }

    /// The options of the only client.
    private func options(_ text: String) throws -> ExportOptions {
        let exports = try parse(text)
        try #require(exports.count == 1)
        let rules = try #require(exports.first).rules
        try #require(rules.count == 1)
        return try #require(rules.first).options
    }

    @Test func aFileAsPeopleWriteIt() throws {
        let exports = try parse(
            """
            # what the build machines see

            /srv/data    -ro,root_squash   192.0.2.0/24   build.example.org(rw) \\
                         alice@example.org(rw,tlscertuser)    # and alice
            "/my music=/srv/my music" *(ro)
            /photos=/srv/my\\040photos\t2001:db8::/32()
            /srv/data/   10.0.0.1(rw,no_root_squash)
            """)
        #expect(exports.map(\.name) == ["/srv/data", "/my music", "/photos"])
        #expect(exports.map(\.directory) == ["/srv/data", "/srv/my music", "/srv/my photos"])
        #expect(
            exports.first?.groups == ["192.0.2.0/24", "build.example.org", "alice@example.org", "10.0.0.1"],
            "a path on a second line has the clients of both")
        #expect(exports.first?.rules.map(\.options.readOnly) == [true, false, false, false])
        #expect(exports.first?.rules.map(\.options.userFromCertificate) == [false, false, true, false])
        #expect(exports.first?.rules.map(\.options.squash) == [.root, .root, .root, ExportOptions.Squash.none])
        #expect(
            exports.last?.rules.map(\.client) == [
                .network([0x20, 1, 0xd, 0xb8] + .init(repeating: 0, count: 12), prefix: 32)
            ])
    }

    @Test func anEmptyFileServesNothing() throws {
        #expect(try parse("").isEmpty)
        #expect(try parse("\n  # nothing\r\n\\\n").isEmpty)
    }

    @Test func theDefaultsAreExportsOwnButForTwo() throws {
        let options = try options("/d *")
        #expect(options.readOnly && options.synchronous && options.squash == .root)
        #expect(options.anonymousUID == 65534 && options.anonymousGID == 65534)
        #expect(options.protection == .mtls && !options.reservedPort)
        #expect(!options.userFromCertificate && !options.cleartextMount)
        #expect(
            options.words == "ro,sync,root_squash,anonuid=65534,anongid=65534,xprtsec=mtls,insecure")
    }

    @Test(arguments: [
        ("ro", "ro"), ("rw", "rw"), ("sync", "sync"), ("async", "async"), ("root_squash", "root_squash"),
        ("no_root_squash", "no_root_squash"), ("all_squash", "all_squash"), ("no_all_squash", "root_squash"),
        ("no_root_squash,all_squash", "all_squash"), ("no_root_squash,no_all_squash", "no_root_squash"),
        ("all_squash,root_squash", "all_squash"), ("anonuid=0", "anonuid=0"),
        ("anonuid=4294967294", "anonuid=4294967294"),
        ("anongid=12", "anongid=12"), ("xprtsec=none", "xprtsec=none:tls:mtls"), ("xprtsec=tls", "xprtsec=tls:mtls"),
        ("xprtsec=mtls", "xprtsec=mtls"), ("xprtsec=mtls:tls", "xprtsec=tls:mtls"),
        ("xprtsec=none:mtls", "xprtsec=none:tls:mtls"), ("tls", "xprtsec=tls:mtls"), ("tlscert", "xprtsec=mtls"),
        ("tlscertuser", "xprtsec=mtls,tlscertuser"), ("tlscertuser,xprtsec=mtls", "xprtsec=mtls,tlscertuser"),
        ("cleartext_mount", "cleartext_mount"), ("secure", "secure"), ("insecure", "insecure"),
        ("no_subtree_check", "ro"), ("hide", "ro"),
    ])
    func everyWord(written: String, meant: String) throws {
        let plain = Set(try options("/d *").words.split(separator: ","))
        let found = try options("/d *(\(written))").words.split(separator: ",")
        let wanted = meant.split(separator: ",")
        #expect(Set(wanted).isSubset(of: found), "\(found)")
        // Nothing else than what the word is about has changed.
        #expect(Set(found).subtracting(plain).isSubset(of: wanted), "\(found)")
    }

    @Test func defaultsOfALineAreForTheClientsBehindThem() throws {
        let export = try #require(try parse("/d 10.0.0.1 -rw,all_squash 10.0.0.2 10.0.0.3(no_all_squash) -ro *").first)
        #expect(export.rules.map(\.options.readOnly) == [true, false, false, true])
        #expect(export.rules.map(\.options.squash) == [.root, .all, .root, .all])
        #expect(try parse("/d -rw *\n/e *").map(\.isReadOnly) == [false, true])
        #expect(try options("/d -no_root_squash,all_squash *(no_all_squash)").squash == ExportOptions.Squash.none)
        #expect(try options("/d -xprtsec=none *(tlscertuser)").protection == .mtls)
    }

    @Test(arguments: [
        ("*", "*"), ("192.0.2.7", "192.0.2.7"), ("192.0.2.7/32", "192.0.2.7"), ("192.0.2.7/24", "192.0.2.0/24"),
        ("192.0.2.0/255.255.254.0", "192.0.2.0/23"), ("0.0.0.0/0", "0.0.0.0/0"), ("10.9.8.7/0.0.0.0", "0.0.0.0/0"),
        ("2001:DB8::/32", "2001:db8::/32"), ("2001:db8:ffff::/ffff:ffff::", "2001:db8::/32"), ("::1", "::1"),
        ("::ffff:192.0.2.7", "192.0.2.7"), ("::ffff:192.0.2.0/120", "192.0.2.0/24"), ("::/0", "::/0"),
        ("Build.Example.org", "build.example.org"), ("*.Example.ORG", "*.example.org"), ("host", "host"),
        ("a-b_c.3com.org", "a-b_c.3com.org"), ("alice@Example.org", "alice@example.org"),
        ("Alice@x", "Alice@x"), ("\"*\"", "*"),
    ])
    func clients(written: String, meant: String) throws {
        #expect(try parse("/d \(written)").first?.groups == [meant])
        #expect(try parse("/d \(written)(rw)").first?.groups == [meant])
    }

    @Test(arguments: [
        ("@trusted", "netgroups are not asked here"), ("alice@", "user@domain"), ("a@b@c", "user@domain"),
        ("192.0.2.0/33", "0 to 32 bits"), ("::/129", "0 to 128 bits"), ("192.0.2.0/", "0 to 32 bits"),
        ("192.0.2.0/+8", "0 to 32 bits"), ("192.0.2.0/99999999999999999999", "0 to 32 bits"),
        ("192.0.2.0/255.0.255.0", "no prefix"), ("192.0.2.0/ffff::", "no prefix"), ("host/24", "begins with an"),
        ("gss/krb5", "begins with an"), ("10.1.1", "no address"), ("256.1.1.1", "no address"),
        ("fe80::1%eth0", "no address"),
        ("[::1]", "wildcards"), ("a*.example.org", "wildcards"), ("host?", "wildcards"), ("*.*.org", "wildcards"),
        ("a..b", "no host name"), ("*.", "no host name"), ("a!b", "no host name"), ("höst", "no host name"),
        ("١.٢", "no host name"),
        (String(repeating: "a", count: 64), "no host name"),
        ("x.-a", "no host name"), ("a-.org", "no host name"),
    ])
    func clientsThatAreNone(written: String, reason: String) {
        let found = mistakes("/d \(written)(ro)")
        #expect(found.count == 1 && found.first?.hasPrefix("exports:1: \(written): ") == true, "\(found)")
        #expect(found.first?.contains(reason) == true, "\(found)")
    }

    @Test(arguments: [
        ("rww", "there is no such option"), ("RO", "there is no such option"),
        ("fsid=0", "not needed here"), ("nohide", "an export of its own"), ("crossmnt", "an export of its own"),
        ("refer=/x@y", "version 4"), ("sec=sys", "Kerberos is not served here"), ("sec=krb5p", "Kerberos"),
        ("subtree_check", "not checked here"), ("wdelay", "leave it out"),
        ("maproot=root", "no_root_squash"), ("mapall=1", "all_squash"), ("network=1", "192.0.2.0/24"),
        ("anonuid=", "0 to 4294967294"), ("anonuid", "0 to 4294967294"), ("anonuid=-2", "0 to 4294967294"),
        ("anonuid=4294967295", "0 to 4294967294"), ("anongid=x", "0 to 4294967294"), ("anongid=+1", "0 to 4294967294"),
        ("xprtsec=", "none, tls and mtls"), ("xprtsec", "none, tls and mtls"), ("xprtsec=tls:", "none, tls and mtls"),
        ("xprtsec=ssl", "none, tls and mtls"), ("ro=1", "takes no value"), ("tls=", "takes no value"),
    ])
    func optionsThatAreNone(written: String, reason: String) {
        let found = mistakes("/d *(\(written))")
        #expect(found.count == 1 && found.first?.hasPrefix("exports:1: \(written): ") == true, "\(found)")
        #expect(found.first?.contains(reason) == true, "\(found)")
    }

    @Test func anEmptyOption() {
        #expect(mistakes("/d *(ro,)") == ["exports:1: *(ro,): an option is missing between commas"])
        #expect(mistakes("/d -,ro *") == ["exports:1: -,ro: an option is missing between commas"])
        #expect(mistakes("/d - *") == ["exports:1: -: an option is missing between commas"])
    }

    @Test(arguments: [
        ("ro,rw", "rw: ro stands in the same list"), ("ro,ro", "ro: it is given twice"),
        ("tls,xprtsec=mtls", "xprtsec=mtls: tls stands in the same list"),
        ("anonuid=1,anonuid=2", "anonuid=2: anonuid=1"),
        ("root_squash,no_root_squash", "no_root_squash: root_squash stands"),
    ])
    func aListSaysEachThingOnce(written: String, reason: String) {
        let found = mistakes("/d *(\(written))")
        #expect(found.count == 1 && found.first?.contains(reason) == true, "\(found)")
    }

    @Test(arguments: [
        "/d host(xprtsec=tls)", "/d host(xprtsec=none:mtls)", "/d *.x.org(tls)", "/d a@x.org(tls)", "/d -tls host",
    ])
    func aNameNeedsACertificate(line: String) {
        let found = mistakes(line)
        #expect(found.count == 1 && found.first?.contains("only a certificate has this name") == true, "\(found)")
    }

    @Test(arguments: ["/d *(tlscertuser,tls)", "/d *(xprtsec=none,tlscertuser)", "/d -tlscertuser *(tls)"])
    func theCertificatesUserNeedsACertificate(line: String) {
        let found = mistakes(line)
        #expect(found.count == 1 && found.first?.contains("tlscertuser needs a certificate") == true, "\(found)")
    }

    /// Every mistake of a file, each with its line and its word.
    @Test func allMistakesInTheirPlaces() {
        let found = mistakes(
            """
            # comment
            /srv/data 192.0.2.0/24(rww) \\
                      @trusted(ro,fsid=1) # not here: @x(y)
            srv/other *(ro)
            /srv/alone
            /srv/space host (rw)
            /srv/open host(rw, ro)
            /srv/quote "host
            /srv/data 10.0.0.1 10.0.0.1(rw)
            /srv/data=/other *
            /srv/a/../b *(ro) \\

            / *(ro)
            /srv/x a(ro)b(ro) "\\000"
            /srv/data \\
              192.0.2.99/24
            """)
        #expect(
            found == [
                "exports:2: rww: there is no such option",
                "exports:3: fsid=1: not needed here: file handles go by the export's name and directory",
                "exports:3: @trusted: netgroups are not asked here: name networks, hosts or users",
                "exports:4: srv/other: a name begins with / and has something after it",
                "exports:5: /srv/alone: no client stands behind it; * is everybody",
                "exports:6: (rw): no client stands right before the (; * is everybody",
                "exports:7: host(rw,: a ( has no ) in the same word; options stand together without spaces",
                "exports:7: ro): it is no host name",
                "exports:8: host: a \" has no other on its line",
                "exports:8: /srv/quote: no client stands behind it; * is everybody",
                "exports:9: 10.0.0.1: this client of the same path is on line 9",
                "exports:10: /srv/data=/other: it is the directory /srv/data on line 2",
                "exports:11: /srv/a/../b: a name has no empty, . or .. component",
                "exports:13: /: a name begins with / and has something after it",
                "exports:14: a(ro)b(ro): something stands behind the )",
                "exports:14: \\000: it is no UTF-8 text",
                "exports:16: 192.0.2.99/24: this client of the same path is on line 2",
            ], "\(found.joined(separator: "\n"))")
    }

    @Test func quotesAndEscapesTakeTheMeaningAway() throws {
        let exports = try parse(
            """
            "/a#b(c),-d" *
            /a\\075/b *
            /w\\134x\\377y *
            """.replacing("\\377", with: "\\303\\274"))
        #expect(exports.map(\.name) == ["/a#b(c),-d", "/a=/b", "/w\\xüy"])
        #expect(try parse("/a#b * #c").map(\.name) == ["/a#b"], "a # within a word is none of a comment's")
        #expect(try parse("/x\\08 *").map(\.name) == ["/x\\08"], "no three octal digits")
        #expect(mistakes("/x \"-ro\"").first?.contains("no host name") == true)
        #expect(mistakes("/x\\377 *").first?.contains("UTF-8") == true)
        #expect(mistakes("/d *(\"ro,rw\")").first?.hasPrefix("exports:1: ro,rw: there is no such option") == true)
    }

    /// FreeBSD's exports(5) has them for everybody, Linux's for those behind them.
    @Test(arguments: ["/d -ro -tls", "/d host -ro,tls -tls", "/d -tls"]) func optionsForNobody(line: String) {
        #expect(mistakes(line) == ["exports:1: -tls: no client stands behind these options; * is everybody"])
    }

    @Test func linesOfOtherSystems() throws {
        #expect(try parse("/d \\\r\n  *(rw)\r\n/e *\r\n").map(\.isReadOnly) == [false, true])
        #expect(mistakes("/d *\r\n\r\n/e *(x)\r\n") == ["exports:3: x: there is no such option"])
    }

    /// What --check-exports prints is a file that means the same.
    @Test func whatItMeansIsAFileAgain() throws {
        let exports = try parse(
            """
            /srv/data -rw,async 192.0.2.0/24(no_root_squash,secure) *.x.org 10.0.0.9(xprtsec=none,cleartext_mount)
            "/my \\"#music=/srv/m(y,=/music" a@b(tlscertuser,anonuid=5) ::/0(all_squash,anongid=6)
            """.replacing("\\\"", with: "\\042"))
        let lines = ExportsFile.lines(exports)
        #expect(
            lines.first
                == "/srv/data 192.0.2.0/24(rw,async,no_root_squash,anonuid=65534,anongid=65534,xprtsec=mtls,secure)")
        #expect(lines.count == 5)
        #expect(try parse(lines.joined(separator: "\n")) == exports)
    }

    @Test func directoriesAreLookedFor() throws {
        let directory = try Directory()
        try directory.write("file", "x")
        directory.make(directory: "sub")
        let file = "\(directory.path)/exports"
        try directory.write(
            "exports", "\(directory.path)/sub *\n/n=\(directory.path)/no *(rx)\n\(directory.path)/file *\n")
        let error = #expect(throws: ExportsFileError.self) { try ExportsFile.load(file) }
        #expect(
            error?.lines == [
                "\(file):2: /n=\(directory.path)/no: no such directory", "\(file):2: rx: there is no such option",
                "\(file):3: \(directory.path)/file: not a directory",
            ])
        try directory.write("exports", "\(directory.path)/sub *\n")
        #expect(try ExportsFile.load(file).map(\.directory) == ["\(directory.path)/sub"])
    }

    @Test func filesThatCannotBeRead() throws {
        let directory = try Directory()
        let missing = #expect(throws: ExportsFileError.self) { try ExportsFile.load(directory.path + "/no") }
        #expect(missing?.description == "\(directory.path)/no: no such file")
        let other = #expect(throws: ExportsFileError.self) { try ExportsFile.load(directory.path) }
        #expect(other?.description.hasPrefix("\(directory.path): ") == true)
        try directory.write("big", "x")
        try #require(truncate("\(directory.path)/big", ExportsFile.sizeLimit + 1) == 0)
        let big = #expect(throws: ExportsFileError.self) { try ExportsFile.load("\(directory.path)/big") }
        #expect(big?.description.contains("more than") == true)
        try #require(mkfifo("\(directory.path)/fifo", 0o600) == 0)
        #expect(throws: ExportsFileError.self) { try ExportsFile.load("\(directory.path)/fifo") }
    }

    /// Whatever the bytes are: exports, or mistakes with a line of the file in each.
    @Test func anyBytesAreReadToTheEnd() throws {
        var random = Seeded(state: 42)
        let pieces = [
            "/", "/d", "*", "(", ")", ",", "=", "-", "\\", "\n", "\r\n", " ", "\t", "#", "\"", "\\040", "\\000", "ro",
            "rw",
            "anonuid=", "99999999999", "xprtsec=", "none:", "tls", "10.0.0.0/8", "::/", "@", "a@b", "*.x",
            "tlscertuser",
            "\u{0}", "ü", "/a=/b", "\\\n",
        ].map { Array($0.utf8) }
        var good = 0
        for round in 0..<4000 {
            var text: [UInt8] = []
            for _ in 0..<Int.random(in: 0...40, using: &random) {
                let isNoise = round % 2 == 0 && Int.random(in: 0..<4, using: &random) == 0
                text +=
                    isNoise ? [UInt8.random(in: 0...255, using: &random)] : pieces.randomElement(using: &random) ?? []
            }
            do throws(ExportsFileError) {
                let exports = try ExportsFile.parse(text, name: "f")
                let again = try ExportsFile.parse(
                    Array(ExportsFile.lines(exports).joined(separator: "\n").utf8), name: "f")
                #expect(again == exports, "\(String(decoding: text, as: UTF8.self))")
                good += exports.isEmpty ? 0 : 1
            } catch {
                let last = 1 + text.count { $0 == 10 }
                #expect(!error.mistakes.isEmpty)
                #expect(error.mistakes.allSatisfy { (1...last).contains($0.line ?? 0) && !$0.reason.isEmpty })
                #expect(error.lines.allSatisfy { !$0.utf8.contains { $0 < 32 } }, "a message has one line")
            }
        }
        #expect(good > 0, "some were right")
        for _ in 0..<200 {
            let noise = (0..<500).map { _ in UInt8.random(in: 0...255, using: &random) }
            _ = try? ExportsFile.parse(noise, name: "f")
        }
    }
}

/// SplitMix64: the same numbers each time.
private struct Seeded: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
