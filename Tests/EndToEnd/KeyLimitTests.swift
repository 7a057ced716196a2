import Glibc
import SecureChannel
import TestSupport
import Testing

/// Keys with a low limit at one end or at both, in whole programs: copies are whole, and nothing is said of it.
@Suite(.serialized) struct KeyLimitTests {
    /// Who makes the records at each end.
    struct Layers: Sendable, CustomTestStringConvertible {
        let client: Layer
        let server: Layer
        var testDescription: String { "\(client)-\(server)" }
        /// Whether both can change a key in use.
        var canChange: Bool { KernelTLS.canRekey || (client == .user && server == .user) }
        static let all: [Layers] = {
            let user = Layers(client: .user, server: .user)
            guard Layer.hasKernel else { return [user] }
            let kernel = [
                Layers(client: .kernel, server: .kernel), Layers(client: .user, server: .kernel),
                Layers(client: .kernel, server: .user),
            ]
            return Layer.isLab ? kernel : kernel + [user]
        }()
    }

    enum Limited: String, CaseIterable { case client, server, both }

    private static let isSlow = TestedLayers.lab != nil
    /// 4 MiB, or 2; a READ of 64 KiB has five.
    private static let records = isSlow ? 128 : 256
    private static let size = (isSlow ? 8 : 40) << 20
    private static let smallFiles = isSlow ? 50 : 300

    @Test(arguments: Layers.all, Limited.allCases) func nobodyNotices(layers: Layers, limited: Limited) throws {
        var setup = Site.Setup()
        if limited != .client { setup.xferd = ["--key-records", "\(Self.records)"] }
        try withSite(layers.server, setup) { site in
            let sent = pattern(Self.size)
            try write(sent, to: site.local + "/file")
            let limit = limited == .server ? "" : ",keyrecords=\(Self.records)"
            /// - Returns: the TLS sessions of the command.
            func sessions(_ arguments: String..., limit: String) throws -> Int {
                let before = site.tlssd.error.occurrences(of: "session secured")
                let ended = try site.start(
                    arguments[0], ["--record-layer", layers.client.rawValue] + arguments.dropFirst(),
                    options: site.credentials + ",nconnect=1,rsize=65536,wsize=65536" + limit
                ).wait()
                expectDone(ended)
                // One line about the copy, and none about connections.
                #expect(!ended.error.contains("connect") && !ended.error.contains("lost"), "\(ended.error)")
                return site.tlssd.error.occurrences(of: "session secured") - before
            }
            // A small one, for which no limit is reached.
            try write("small", to: site.local + "/small")
            let usual = try sessions("put", "small", "localhost:/data", limit: "")
            let changing = limited == .client && layers.canChange
            for (command, from, to) in [("put", "file", "localhost:/data"), ("get", "localhost:/data/file", "back")] {
                let count = try sessions(command, from, to, limit: limit)
                if changing {
                    #expect(count == usual, "\(command)")
                } else {
                    // With both low, who is first decides between a new key and a new connection.
                    let least = limited == .both && layers.canChange ? usual : usual + 2
                    #expect((least...usual + 40).contains(count), "\(command): \(count)")
                }
            }
            expectFile(site.data + "/file", sent)
            expectFile(site.local + "/back", sent)
            if changing {
                #expect(eventually { site.xferd.error.contains("keys=changed") })
            } else if limited == .server || !layers.canChange {
                #expect(!site.xferd.error.contains("keys=changed"))
            }
        }
    }

    /// Many connections, large calls and small files at once: whatever is in flight where.
    @Test(arguments: Layers.all, [Limited.client, .server]) func manyAtOnce(layers: Layers, limited: Limited) throws {
        var setup = Site.Setup()
        if limited != .client { setup.xferd = ["--key-records", "\(Self.records)"] }
        try withSite(layers.server, setup) { site in
            mkdir(site.local + "/tree", 0o755)
            let large = pattern(Self.size / 2)
            try write(large, to: site.local + "/tree/large")
            for index in 0..<Self.smallFiles {
                try write(pattern(index * 10, seed: UInt64(index)), to: "\(site.local)/tree/\(index)")
            }
            let limit = limited == .client ? ",keyrecords=\(Self.records)" : ""
            for (command, from, to) in [("put", "tree", "localhost:/data"), ("get", "localhost:/data/tree", "back")] {
                let ended = try site.start(
                    command, ["--record-layer", layers.client.rawValue, "-r", from, to],
                    options: site.credentials + ",nconnect=3,noxfer" + limit
                ).wait()
                expectDone(ended)
                #expect(!ended.error.contains("connect") && !ended.error.contains("lost"), "\(ended.error)")
            }
            expectFile(site.local + "/back/large", large)
            for index in 0..<Self.smallFiles {
                expectFile("\(site.local)/back/\(index)", pattern(index * 10, seed: UInt64(index)))
            }
            #expect(names(in: site.data + "/tree").count == Self.smallFiles + 1)
        }
    }

    @Test(arguments: Layer.available) func limitsThatAreNone(layer: Layer) throws {
        try withSite(layer) { site in
            for words in ["63", "8388609", "-1", "many", ""] {
                let ended = try site.xfer("ls", "localhost:/data", options: site.credentials + ",keyrecords=\(words)")
                expectFailure(ended, status: 2, "keyrecords=\(words)", "64 to 8388608")
            }
            let refused = try RunningProgram([
                Programs.path("xferd"), "--export", "/data=\(site.data),ro", "--key-records", "63",
            ]).wait()
            expectFailure(refused, status: 64, "--key-records", "64 to 8388608")
        }
    }
}
