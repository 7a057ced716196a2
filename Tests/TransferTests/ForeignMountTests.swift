import Glibc
import Handshake
import NFS
import RPC
import SecureChannel
import Synchronization
import TestSupport
import Testing

@testable import Transfer

/// Where the MOUNT service is, and what it may be told in cleartext.
@Suite struct MountServiceTests {
    /// The error that `mount` ends with.
    private func failure(
        _ server: ForeignServer, _ words: String, daemon: HandshakeDaemon? = nil, path: String = "/data",
        rpcbind: UInt16? = nil
    ) async throws -> String {
        let error = await #expect(throws: TransferError.self) {
            try await withSession(server, words, daemon: daemon, rpcbind: rpcbind) { session, _ in
                _ = try await Remote.mount(session, path: path)
            }
        }
        return try #require(error).description
    }

    @Test func onTheNFSPort() async throws {
        let server = try ForeignServer()
        server.state.add("file", [1, 2, 3])
        let (size, protection) = try await withMount(server) { remote, _ in
            (try await remote.find("/data/file").attributes.size, remote.session.protection)
        }
        #expect(size == 3)
        #expect(protection?.recordLayer == "none")
        #expect(protection?.description.hasPrefix("none: cleartext") == true)
    }

    @Test func onAPortOfItsOwn() async throws {
        let server = try ForeignServer(mount: false)
        let mountd = try PlainService.mountd(of: server)
        server.state.add("file", [1, 2, 3])
        let size = try await withMount(server, "xprtsec=none,mountport=\(mountd.port)") { remote, _ in
            try await remote.find("/data/file").attributes.size
        }
        #expect(size == 3 && server.state.content.withLock { $0.mounted } == ["/data"])
        // Linux's mountd takes root's calls alone, which it knows by the port.
        if geteuid() == 0 { #expect(mountd.callers.allSatisfy { $0 < 1024 } && !mountd.callers.isEmpty) }
    }

    @Test func fromAnOrdinaryPort() async throws {
        let server = try ForeignServer(mount: false)
        let mountd = try PlainService.mountd(of: server)
        _ = try await withMount(server, "xprtsec=none,noresvport,mountport=\(mountd.port)") { remote, _ in }
        #expect(mountd.callers.allSatisfy { $0 >= 1024 } && !mountd.callers.isEmpty)
    }

    @Test func asRPCBindSays() async throws {
        let server = try ForeignServer(mount: false)
        let mountd = try PlainService.mountd(of: server)
        let rpcbind = try PlainService.rpcbind(mountPort: mountd.port)
        for words in ["xprtsec=none,mountport=rpcbind", "xprtsec=none"] {
            _ = try await withMount(server, words, rpcbind: rpcbind.port) { _, _ in }
        }
        #expect(rpcbind.callers.count == 2)
        #expect(server.state.content.withLock { $0.mounted } == ["/data", "/data"])
    }

    @Test func rpcbindThatDoesNotKnow() async throws {
        let server = try ForeignServer(mount: false)
        let rpcbind = try PlainService.rpcbind(mountPort: 0)
        let words = try await failure(server, "xprtsec=none,mountport=rpcbind", rpcbind: rpcbind.port)
        #expect(words.contains(server.host) && words.contains("its rpcbind knows no MOUNT version 3"))
        #expect(rpcbind.callers.count == 1)
    }

    @Test func noRPCBind() async throws {
        let server = try ForeignServer(mount: false)
        // A port that was somebody's until now.
        let port = try PlainService.rpcbind(mountPort: 0).port
        let words = try await failure(server, "xprtsec=none,mountport=rpcbind", rpcbind: port)
        #expect(words.contains("127.0.0.1:\(port)") && words.contains("mountport=NUMBER"))
    }

    /// Over TLS, MOUNT is not on the NFS port, and its own port has no TLS.
    @Test func withTLS() async throws {
        let daemons = try HandshakeDaemons()
        let server = try ForeignServer(
            securer: ServerSecurer(daemon: daemons.server, mutual: { true }, patience: 20), mount: false)
        let mountd = try PlainService.mountd(of: server)
        server.state.add("file", pattern(5000))
        let tls = "xprtsec=mtls,tlscertname=files.example"

        let nowhere = try await failure(server, tls, daemon: daemons.client)
        for word in ["no MOUNT service on the NFS port", "mountport=", "rpcbind", "cleartext_mount"] {
            #expect(nowhere.contains(word), "\(nowhere)")
        }

        let refused = try await failure(server, "\(tls),mountport=\(mountd.port)", daemon: daemons.client)
        for word in ["127.0.0.1:\(mountd.port)", "no TLS", "-o cleartext_mount", "all of NFS stays in TLS"] {
            #expect(refused.contains(word), "\(refused)")
        }
        #expect(mountd.callers.isEmpty)

        let (protection, size) = try await withSession(
            server, "\(tls),mountport=\(mountd.port),cleartext_mount", daemon: daemons.client
        ) { session, _ in
            let remote = try await Remote.mount(session, path: "/data/file")
            return (session.protection, try await remote.find("/data/file").attributes.size)
        }
        #expect(protection?.recordLayer == "user" && size == 5000)
        #expect(!mountd.callers.isEmpty)
    }

    /// A MOUNT port that has TLS gets it, whatever may go in cleartext.
    @Test func tlsIsPreferred() async throws {
        let daemons = try HandshakeDaemons()
        let securer = ServerSecurer(daemon: daemons.server, mutual: { true }, patience: 20)
        let server = try ForeignServer(securer: securer, mount: false)
        let mountd = try ForeignServer(securer: securer)
        let words = "tlscertname=files.example,mountport=\(mountd.port),cleartext_mount"
        // It answers nothing but the probe in cleartext.
        _ = try await withSession(server, words, daemon: daemons.client) { session, _ in
            try await Remote.mount(session, path: "/data")
        }
        #expect(mountd.state.content.withLock { $0.mounted } == ["/data"])
    }

    @Test func nothingThereToMount() async throws {
        let server = try ForeignServer(mount: false)
        #expect(try await failure(server, "xprtsec=none,mountport=1").contains("cannot connect to 127.0.0.1:1"))
    }
}

/// Servers that do not tell what they export.
@Suite struct HiddenExportTests {
    /// - Returns: what MNT was asked for.
    private func mount(_ behaviour: Behaviour, path: String) async throws -> [String] {
        let server = try ForeignServer(behaviour: behaviour)
        server.state.add("file", [1])
        _ = try await withMount(server, path: path) { remote, _ in try await remote.find(path) }
        return server.state.content.withLock { $0.mounted }
    }

    private func failure(_ behaviour: Behaviour, path: String) async throws -> String {
        let error = await #expect(throws: TransferError.self) { try await mount(behaviour, path: path) }
        return try #require(error).description
    }

    @Test(arguments: [nil, [], [Mount.ExportEntry(path: "/other")]] as [[Mount.ExportEntry]?])
    func thePathAndWhatIsAbove(exports: [Mount.ExportEntry]?) async throws {
        var behaviour = Behaviour()
        behaviour.exports = exports
        // The first component at once, before it is known that nothing tells.
        #expect(try await mount(behaviour, path: "/data/file") == ["/data", "/data/file"])
        #expect(try await mount(behaviour, path: "/data") == ["/data"])
    }

    /// The listed one first; where it is for others, one above.
    @Test func aListedExportThatIsForOthers() async throws {
        var behaviour = Behaviour()
        behaviour.exports = [
            Mount.ExportEntry(path: "/data"), Mount.ExportEntry(path: "/data/inner", groups: ["10.0.0.0/8"]),
        ]
        behaviour.mnt = { $0 == "/data" ? nil : .accessDenied }
        #expect(try await mount(behaviour, path: "/data/file") == ["/data"])
        let error = await #expect(throws: NFSError.self) { try await mount(behaviour, path: "/data/inner/file") }
        #expect(error?.subject.hasSuffix("/data/inner") == true)
    }

    @Test func refusedSaysToWhomItIsExported() async throws {
        var behaviour = Behaviour()
        behaviour.exports = [Mount.ExportEntry(path: "/data", groups: ["10.0.0.0/8", "trusted.example"])]
        behaviour.mnt = { $0 == "/data" ? .accessDenied : .noEntry }
        let words = try await failure(behaviour, path: "/data/file")
        for word in ["/data: permission denied", "MNT3ERR_ACCES", "10.0.0.0/8, trusted.example", "below 1024"] {
            #expect(words.contains(word), "\(words)")
        }
    }

    @Test func noExportHoldsIt() async throws {
        var behaviour = Behaviour()
        let listed = try await failure(behaviour, path: "/etc/passwd")
        #expect(listed.contains("/etc/passwd: not in any export") && listed.contains("it exports /data"))
        behaviour.exports = nil
        #expect(try await failure(behaviour, path: "/etc/passwd").contains("it lists none"))
    }

    /// Linux mounts a file where it is asked for one; what is beside it could not be reached.
    @Test func aFileIsNotMounted() async throws {
        var behaviour = Behaviour()
        behaviour.exports = nil
        behaviour.mnt = { ["/data", "/data/file"].contains($0) ? nil : .noEntry }
        behaviour.mountsFiles = true
        #expect(try await mount(behaviour, path: "/data/file") == ["/data", "/data/file"])
    }

    @Test func credentialsThatXferHasNot() async throws {
        var behaviour = Behaviour()
        behaviour.flavors = [390_003]
        let words = try await failure(behaviour, path: "/data")
        #expect(words.contains("/data: the server wants other credentials") && words.contains("390003"))
    }
}

/// Refusals in words, and patience.
@Suite struct RefusalTests {
    private func failure(_ behaviour: Behaviour, _ words: String) async throws -> String {
        let server = try ForeignServer(behaviour: behaviour)
        let error = await #expect(throws: TransferError.self) { try await withMount(server, words) { _, _ in } }
        return try #require(error).description
    }

    @Test func tooWeakInCleartext() async throws {
        var behaviour = Behaviour()
        behaviour.denied = .tooWeak
        let words = try await failure(behaviour, "xprtsec=none")
        #expect(words.contains("the server wants TLS") && words.contains("xprtsec=mtls"))
    }

    @Test func tooWeakWithoutACertificate() {
        var options = MountOptions()
        options.protection = .tls
        let words = options.explain(.authentication(5))
        #expect(words.contains("TLS with a certificate") && words.contains("xprtsec=mtls"))
        options.protection = .mtls
        #expect(options.explain(.authentication(5)).contains("AUTH_TOOWEAK"))
    }

    @Test func aCredentialThatIsNotTaken() async throws {
        var behaviour = Behaviour()
        behaviour.denied = .badCredential
        let words = try await failure(behaviour, "xprtsec=none")
        #expect(words.contains("/data: the server does not take the credential AUTH_SYS of user \(geteuid())"))
        #expect(words.contains("AUTH_BADCRED"))
    }

    /// On each kind of call; the user is told once.
    @Test(arguments: [
        NFS.ProcedureNumber.fsInfo, .getAttr, .lookup, .read, .write, .create, .setAttr, .commit, .rename, .readDirPlus,
    ]) func jukeboxIsWaitedFor(procedure: NFS.ProcedureNumber) async throws {
        var behaviour = Behaviour()
        behaviour.status = { $0 == procedure && $1 == 1 ? .jukebox : nil }
        let server = try ForeignServer(behaviour: behaviour)
        server.state.add("file", pattern(1000))
        let directory = TemporaryDirectory()
        let path = directory.path + "/file"
        let notes = try await withMount(server) { remote, notes in
            var entries: [Listing] = []
            try await Listing.each(remote, try await remote.find("/data"), unreachable: { _ in }) { entries.append($0) }
            #expect(entries.count == 1)
            let copy = Copy(remote: remote, rules: CopyRules(), progress: Progress())
            let got = try await copy.get("/data/file", to: path)
            let put = try await copy.put(path, to: "/data/copy")
            #expect(got.failures.isEmpty && put.failures.isEmpty, "\(got.failures) \(put.failures)")
            return notes.list
        }
        #expect(try server.state.bytes("copy") == pattern(1000))
        #expect(notes.count == 1 && notes.first?.contains("NFS3ERR_JUKEBOX") == true, "\(notes)")
    }

    /// `soft`: no longer than timeo.
    @Test func jukeboxForEverIsGivenUp() async throws {
        var behaviour = Behaviour()
        behaviour.status = { procedure, _ in procedure == .lookup ? .jukebox : nil }
        let server = try ForeignServer(behaviour: behaviour)
        let error = await #expect(throws: NFSError.self) {
            try await withMount(server, "xprtsec=none,timeo=5,soft") { remote, _ in
                _ = try await remote.find("/data/file")
            }
        }
        #expect(error?.status == .jukebox)
        // After 100, 200 and no more milliseconds: 400 would be beyond the half second.
        #expect(server.state.calls(.lookup) == 3)
    }

    /// `hard`: as long as it takes.
    @Test func jukeboxOutlastsTimeoWhereHard() async throws {
        var behaviour = Behaviour()
        behaviour.status = { procedure, count in procedure == .lookup && count < 4 ? .jukebox : nil }
        let server = try ForeignServer(behaviour: behaviour)
        server.state.add("file", [1])
        _ = try await withMount(server, "xprtsec=none,timeo=5,hard") { remote, _ in
            try await remote.find("/data/file")
        }
        #expect(server.state.calls(.lookup) == 4)
    }
}
