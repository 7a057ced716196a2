import Glibc
import TestSupport
import Testing

/// Real files in and out of a mount, for each way to protect it and each way to make the records.
@Suite(.inPeerLab) struct CopyTests {
    static let ways: [(RecordLayer, Protection)] = RecordLayer.allCases.flatMap { layer in
        [Protection.mtls, .tls].map { (layer, $0) }
    }

    /// Names that a shell, a list or a terminal would trip over.
    static let oddNames = [
        "two words", " leading", "trailing ", "grüße-日本語-🎉", "-dash", "a\"quote'", "semi;colon", "new\nline", "tab\t",
        "star*?[x]", "back\\slash", "a:b", "...", String(repeating: "n", count: 255),
        String(repeating: "é", count: 127),
    ]

    /// Programs and the symbolic links to them, scripts, data, odd names, and times to the nanosecond.
    static func makeTree(at path: String) throws {
        try shell(
            """
            mkdir tree && cd tree
            cp -a /usr/lib/git-core /usr/share/zoneinfo .
            mkdir -m 1777 odd && mkdir -m 2750 empty && touch -d '1999-12-31 23:59:59.123456789' odd
            ln git-core/git hard && ln -s /nowhere/at/all dangling && ln -s "$(printf '%0999d' 7)" long
            echo secret >private && chmod 400 private && chown 1234:4321 private
            touch -d '2038-01-19 03:14:08.999999999' git-core/git
            truncate -s 16M sparse
            """, in: path)
        for (index, name) in oddNames.enumerated() {
            try write("contents \(index)", to: "\(path)/tree/odd/\(name)")
            chmod("\(path)/tree/odd/\(name)", mode_t(0o400 + index))
        }
    }

    @Test(arguments: ways) func aTreeGoesInAndComesOut(layer: RecordLayer, protection: Protection) throws {
        try withMount(.init(layer: layer, protection: protection)) { site in
            // One end or both are the kernel's, and nothing of the file system is in cleartext.
            #expect(contents(of: "/proc/mounts").contains("xprtsec=\(protection.rawValue),"))
            #expect(try tlsConnections() == (layer == .kernel ? 2 : 1))
            #expect(site.tlssd.error.contains("layer=\(layer.rawValue)"))
            #expect(site.tlssd.error.contains("certificate=CN=me") == (protection == .mtls))

            try Self.makeTree(at: site.local)
            let original = try Tree(site.local + "/tree")
            try shell("cp -a --sparse=always '\(site.local)/tree' '\(site.mountPoint)'", in: site.local)
            // What comes back comes from the server.
            expectDone(try site.unmount())
            expectDone(try site.mount())
            try shell("cp -a --sparse=always '\(site.mountPoint)/tree' back", in: site.local)
            for place in [site.data + "/tree", site.local + "/back"] {
                let differences = try Tree(place).differences(from: original)
                #expect(differences.isEmpty, "\(place): \(differences.prefix(20))")
                #expect(
                    try shell("diff -r --no-dereference --exclude sparse tree '\(place)'", in: site.local) == "")
            }
            #expect(try status(of: site.data + "/tree/sparse").st_blocks == 0)
            try shell("rm -rf tree", in: site.mountPoint)
            #expect(names(in: site.data).isEmpty)
        }
    }

    /// Connections whose keys the kernel has: proc(5), /proc/net/tls_stat.
    private func tlsConnections() throws -> Int? {
        contents(of: "/proc/net/tls_stat").split(separator: "\n").first { $0.hasPrefix("TlsCurrTxSw") }
            .flatMap { $0.split(whereSeparator: \.isWhitespace).last }.flatMap { Int($0) }
    }
}
