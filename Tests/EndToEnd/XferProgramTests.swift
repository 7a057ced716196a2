import Checksums
import Glibc
import Handshake
import Kernel
import NFS
import SecureChannel
import TestSupport
import Testing
import Transfer

/// XFER between the two halves: `xferd` and tlssd, tlscd, and the engine of `xfer`.
@Suite struct XferProgramTests {
    /// Runs `body` on a mount of `/data` by a tlscd of its own.
    private func withRemote(
        _ site: Site, _ words: String = "nconnect=2", _ body: @escaping @Sendable (Remote) async throws -> Void
    ) async throws {
        let (tlscd, socket) = try site.startDaemon()
        do {
            var options = MountOptions()
            try options.apply("port=\(site.port)")
            try options.apply(words)
            let daemon = HandshakeDaemon(
                path: socket, role: .client, recordLayer: site.layer == .kernel ? .kernel : .user)
            let session = Session(host: "localhost", options: options, daemon: daemon) { _ in }
            defer { session.close() }
            try await withTaskExecutorPreference(try EngineExecutor(threads: 2)) {
                try await body(try await Remote.mount(session, path: "/data"))
            }
        } catch {
            _ = try? tlscd.stop()
            throw error
        }
        _ = try tlscd.stop()
    }

    private func withSite(
        _ layer: Layer, _ setup: Site.Setup = Site.Setup(), _ body: (Site) async throws -> Void
    ) async throws {
        let site = try Site(layer, setup)
        do {
            try await body(site)
        } catch {
            _ = try? site.xferd.stop()
            _ = try? site.tlssd.stop()
            throw error
        }
        try site.stop()
    }

    /// Sizes about the ends of messages, records and words.
    @Test(arguments: Layer.available) func puts(layer: Layer) async throws {
        try await withSite(layer) { site in
            let (data, local) = (site.data, site.local)
            try await withRemote(site) { remote in
                let maximum = try #require(try await remote.xfer()).putMaximum
                #expect(maximum == 1 << 20)
                let root = try await remote.find("/data")
                for size in [0, 1, 2, 3, 4, 900, 5000, 16384, 70_001, 300_003, maximum] {
                    let bytes = pattern(size, seed: UInt64(size + 1))
                    try write(bytes, to: "\(local)/source")
                    let file = SharedDescriptor(try Files.open("\(local)/source", O_RDONLY))
                    let made = try await remote.put(
                        SmallSource(file, try Files.status(file.raw), name: "source"), in: root.handle,
                        FileName("copy\(size)"), path: "/data/copy\(size)", temporary: ".copy.t.xfer",
                        attributes: SetAttributes(mode: 0o604))
                    #expect(made.attributes?.size == UInt64(size) && made.attributes?.mode == 0o604)
                    expectFile("\(data)/copy\(size)", bytes)
                    let there = try await remote.find("/data/copy\(size)")
                    #expect(there.handle == made.handle)
                }
            }
            #expect(names(in: data).count == 11)
        }
    }

    @Test(arguments: Layer.available) func checksumsAreTheFiles(layer: Layer) async throws {
        try await withSite(layer) { site in
            let bytes = pattern(3_000_001)
            try write(bytes, to: site.data + "/file")
            try await withRemote(site) { remote in
                let file = try await remote.find("/data/file")
                for algorithm in ChecksumAlgorithm.allCases {
                    let made = try #require(
                        try await remote.checksums(of: file, 1..<UInt64.max, blockSize: 1 << 18, algorithm))
                    let expected = stride(from: 1, to: bytes.count, by: 1 << 18).map { start in
                        let state = ChecksumState(algorithm)
                        bytes[start..<min(bytes.count, start + 1 << 18)].withUnsafeBytes { state.update($0) }
                        return state.finish()
                    }
                    #expect(made.blocks == expected && made.count == 3_000_000 && made.isEndOfFile)
                }
                let segments = try #require(try await remote.segments(of: file))
                #expect(segments.segments == [0..<3_000_001] && segments.next == nil)
                // More digests than one reply has.
                let small = try #require(try await remote.checksums(of: file, 0..<500_000, blockSize: 64, .xxh3))
                #expect(small.count == 500_000 && small.blocks.count == 7813)
            }
        }
    }

    /// A file that was written by NFS, published by XFER.
    @Test(arguments: Layer.available) func publishing(layer: Layer) async throws {
        try await withSite(layer) { site in
            let data = site.data
            try write([1], to: data + "/.file.t.xfer")
            try write([2], to: data + "/file")
            try await withRemote(site) { remote in
                let root = try await remote.find("/data")
                let written = try await remote.find("/data/.file.t.xfer")
                let published = try await remote.publish(
                    written.handle, ".file.t.xfer", as: "file", in: root.handle, path: "/data/file",
                    attributes: SetAttributes(mode: 0o640), expected: nil)
                guard case .done(let attributes) = published else {
                    Issue.record("\(published)")
                    return
                }
                #expect(attributes?.mode == 0o640)
                guard
                    case .lost = try await remote.publish(
                        written.handle, "file", as: "other", in: root.handle, path: "/data/other",
                        attributes: SetAttributes(), expected: 0x1122_3344_5566_7788)
                else {
                    Issue.record("published under another verifier")
                    return
                }
                expectFile(data + "/file", [1])
                #expect(names(in: data) == ["file"])
            }
        }
    }

    @Test(.notInTheLab) func withoutIt() async throws {
        var setup = Site.Setup()
        setup.xferd = ["--no-xfer"]
        try await withSite(.user, setup) { site in
            try await withRemote(site) { remote in
                let support = try await remote.xfer()
                #expect(support == nil)
            }
        }
        try await withSite(.user) { site in
            try await withRemote(site, "noxfer") { remote in
                let support = try await remote.xfer()
                #expect(support == nil)
            }
        }
    }
}
