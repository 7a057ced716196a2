import Glibc
import TestSupport
import Testing

/// Keys with a low limit where the other end is Linux's own, which cannot take a KeyUpdate: it must be given none.
@Suite(.inPeerLab, .serialized) struct KeyLimitTests {
    private static let size = 8 << 20

    /// xferd ends its connections, a few MiB each, and Linux's client makes others: programs see nothing of it.
    @Test(arguments: RecordLayer.allCases) func ofAServerOfLinuxsClient(layer: RecordLayer) throws {
        try withMount(.init(layer: layer, xferd: ["--key-records", "200"])) { site in
            let sent = pattern(Self.size)
            try write(sent, to: site.local + "/source")
            let before = site.sessions
            try shell("cp '\(site.local)/source' '\(site.mountPoint)/copy' && sync", in: site.local)
            #expect(bytes(of: site.data + "/copy") == sent)
            #expect(site.sessions >= before + 2)
            let between = site.sessions
            // Not what the client still has in memory.
            try shell(
                "echo 3 >/proc/sys/vm/drop_caches; cmp '\(site.local)/source' '\(site.mountPoint)/copy'", in: site.local
            )
            #expect(site.sessions > between)
            // Names are changed once, each call of them answered once, connections or no.
            try shell(
                "cd '\(site.mountPoint)' && for i in $(seq 60); do mkdir d$i && mv d$i e$i && rmdir e$i; done",
                in: site.local)
            #expect(names(in: site.data) == ["copy"])
        }
    }

    /// xfer goes on with new connections to Linux's server, and says nothing of it.
    @Test(arguments: RecordLayer.allCases) func ofAClientOfLinuxsServer(layer: RecordLayer) throws {
        try withKernelServer { site in
            let sent = pattern(Self.size)
            try write(sent, to: site.local + "/source")
            let options = site.credentials + ",cleartext_mount,nconnect=1,rsize=65536,wsize=65536,keyrecords=200"
            for (command, from, to) in [
                ("put", "source", "localhost:\(site.secure)/copy"), ("get", "localhost:\(site.secure)/copy", "back"),
            ] {
                let before = site.handshakes.occurrences(of: "The peer offered 1 certificate")
                let ended = try site.start(command, ["--record-layer", layer.rawValue, from, to], options)
                    .wait(seconds: 240)
                expectDone(ended)
                #expect(!ended.error.contains("connect") && !ended.error.contains("lost"), "\(ended.error)")
                #expect(site.handshakes.occurrences(of: "The peer offered 1 certificate") >= before + 2)
            }
            #expect(bytes(of: site.secure + "/copy") == sent && bytes(of: site.local + "/back") == sent)
        }
    }
}

extension MountedSite {
    /// Handshakes that tlssd has done.
    fileprivate var sessions: Int { tlssd.error.occurrences(of: "session secured") }
}
