import Glibc
import TestSupport
import Testing

/// xfer against Linux's own NFS server: nfsd and its handshakes by tlshd, MOUNT from mountd, which knows no TLS.
@Suite(.inPeerLab, .serialized) struct KernelServerTests {
    /// A tree goes there, is seen there, and comes back.
    @Test(arguments: RecordLayer.allCases) func aTreeGoesThereAndComesBack(layer: RecordLayer) throws {
        try withKernelServer { site in
            try CopyTests.makeTree(at: site.local)
            let layer = ["-v", "--record-layer", layer.rawValue]
            let options = site.credentials + ",cleartext_mount"
            let put = try site.start("put", layer + ["-rp", "tree", "localhost:\(site.secure)"], options)
                .wait(seconds: 240)
            expectDone(put)
            #expect(put.error.contains("TLS 1.3 ") && put.error.contains("record layer \(layer[2])"))
            expectDone(
                try site.start("get", layer + ["-rp", "localhost:\(site.secure)/tree", "back"], options)
                    .wait(seconds: 240))
            #expect(site.handshakes.contains("The peer offered 1 certificate"))

            let original = try Self.copied(Tree(site.local + "/tree"))
            for place in [site.secure + "/tree", site.local + "/back"] {
                let copy = try Self.copied(Tree(place))
                let names = Set(original.keys).union(copy.keys).filter { original[$0] != copy[$0] }.sorted()
                #expect(
                    names.isEmpty,
                    "\(place): \(names.prefix(20).map { ($0, original[$0] as Any, copy[$0] as Any) })")
                #expect(try shell("diff -r --no-dereference tree '\(place)'", in: site.local) == "")
            }
        }
    }

    /// What a copy by `xfer -p` has of a tree: no owners, no set-ID bits, no hard links, no times of symbolic links.
    private static func copied(_ tree: Tree) -> [String: Tree.Entry] {
        tree.entries.mapValues { entry in
            var entry = entry
            entry.mode &= ~0o6000
            (entry.uid, entry.gid, entry.links) = (0, 0, 0)
            if entry.target != nil { (entry.seconds, entry.nanoseconds) = (0, 0) }
            return entry
        }
    }

    @Test func aDirectoryIsListed() throws {
        try withKernelServer { site in
            for index in 0..<1500 { try write("", to: "\(site.secure)/file-\(index)") }
            symlink("elsewhere", site.secure + "/link")
            let listed = try site.xfer("ls", "localhost:\(site.secure)")
            expectDone(listed)
            let entries = listed.output.split(separator: "\n").map(String.init)
            #expect(entries.sorted() == names(in: site.secure))
            let long = try site.xfer("ls", "-l", "localhost:\(site.secure)/link")
            expectDone(long)
            #expect(long.output.contains("link -> elsewhere"))
        }
    }

    /// Many WRITEs in flight on several connections, which nfsd loses when it starts again: the file is whole all the same.
    @Test func aLargeFileOutlivesARestart() throws {
        try withKernelServer { site in
            try shell("head -c 60000000 /dev/urandom >large", in: site.local)
            let options = site.credentials + ",cleartext_mount,nconnect=2,hard"
            let put = try site.start("put", ["large", "localhost:\(site.secure)"], options)
            // The temporary file has begun to grow.
            let begun = eventually(within: 60) {
                names(in: site.secure).contains {
                    ((try? status(of: "\(site.secure)/\($0)"))?.st_size ?? 0) > 2_000_000
                }
            }
            #expect(begun && put.ended == nil)
            try site.restart()
            let ended = try put.wait(seconds: 240)
            expectDone(ended)
            #expect(ended.error.contains("connecting again"))
            #expect(names(in: site.secure) == ["large"])
            expectDone(try site.xfer("get", "localhost:\(site.secure)/large", "back"))
            try shell("cmp large back && cmp large '\(site.secure)/large'", in: site.local)
        }
    }

    /// mountd is asked in cleartext only where that was said, from a port below 1024 where possible.
    @Test func mountInCleartextIsAChoice() throws {
        try withKernelServer { site in
            func ls(_ options: String, _ path: String) throws -> Ended {
                try site.start("ls", ["localhost:\(path)"], "\(site.credentials)\(options)").wait()
            }
            let nowhere = try ls("", site.secure)
            #expect(nowhere.status == 1 && nowhere.error.contains("no MOUNT service on the NFS port"))
            for port in ["rpcbind", "\(KernelServerSite.mountPort)"] {
                let refused = try ls(",mountport=\(port)", site.secure)
                #expect(refused.status == 1 && refused.error.contains("-o cleartext_mount"), "\(refused)")
                expectDone(try ls(",mountport=\(port),cleartext_mount", site.secure))
            }
            let ordinary = try ls(",cleartext_mount,noresvport", site.secure)
            #expect(ordinary.status == 1 && ordinary.error.contains("below 1024"), "\(ordinary)")
            let hidden = try ls(",cleartext_mount", site.hidden)
            #expect(hidden.status == 1 && hidden.error.contains("10.99.0.0/16"), "\(hidden)")
            let none = try ls(",cleartext_mount", "/etc")
            #expect(none.status == 1 && none.error.contains("not in any export"), "\(none)")
        }
    }

    /// xprtsec=none, where both ends want it, and only there.
    @Test func inCleartextThroughout() throws {
        try withKernelServer { site in
            try shell("head -c 3000001 /dev/urandom >file", in: site.local)
            let put = try site.start("put", ["file", "localhost:\(site.plain)"], "xprtsec=none").wait()
            expectDone(put)
            #expect(put.error.contains("warning: xprtsec=none"))
            expectDone(try site.start("get", ["localhost:\(site.plain)/file", "back"], "xprtsec=none").wait())
            try shell("cmp file back && cmp file '\(site.plain)/file'", in: site.local)
            let refused = try site.start("ls", ["localhost:\(site.secure)"], "xprtsec=none").wait()
            #expect(refused.status == 1 && refused.error.contains("xprtsec=mtls"), "\(refused)")
        }
    }
}
