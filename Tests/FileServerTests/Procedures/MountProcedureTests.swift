import NFS
import RPC
import Testing

@testable import FileServer

/// RFC 1813 section 5.2: the MOUNT protocol.
@Suite struct MountProcedureTests {
    private func call(
        _ program: MountProgram, _ procedure: Mount.ProcedureNumber, _ arguments: [UInt8] = [],
        peer: Peer = Peer(address: "192.0.2.1:700", protection: .tls)
    ) -> Answer {
        let call = Call(
            transaction: 1, program: Mount.program, version: 3, procedure: procedure.rawValue, credential: .none,
            peer: peer)
        return arguments.withUnsafeBytes { program.call(call, arguments: $0) }
    }

    private func results(_ answer: Answer) throws -> [UInt8] {
        guard case .results(let bytes) = answer else { throw MountError(nil, .null, "no results") }
        return bytes
    }

    private func dump(_ f: Fixture) throws -> Set<Mount.MountEntry> {
        Set(try results(call(f.mount, .dump)).withUnsafeBytes { try Mount.decodeDump($0, subject: "t") })
    }

    /// The status of a MNT that must fail; nil where it has not.
    private func failure(
        _ f: Fixture, _ path: FileName, peer: Peer = Peer(address: "192.0.2.1:700", protection: .tls)
    ) throws -> Mount.Status? {
        let bytes = try results(call(f.mount, .mnt, Mount.encode(path: path), peer: peer))
        do {
            _ = try bytes.withUnsafeBytes { try Mount.decodeMnt($0, subject: "t") }
            return nil
        } catch let error as MountError {
            return error.status
        }
    }

    /// Section 5.2.1: MNT3ERR_NOENT, MNT3ERR_NOTDIR, MNT3ERR_NAMETOOLONG, MNT3ERR_ACCES.
    @Test func pathsThatAreNotMounted() throws {
        let f = try Fixture()
        let dir = try f.makeDirectory("dir")
        _ = try f.create("file", in: dir)
        let long = [UInt8](repeating: 65, count: 256)
        let cases: [(FileName, Mount.Status)] = [
            ("/other", .noEntry), ("/e/missing", .noEntry), ("/E", .noEntry), ("/", .noEntry), ("", .noEntry),
            ("e", .noEntry), ("/e/dir/file", .notDirectory), ("/e/dir/file/x", .notDirectory),
            (FileName(Array("/e/".utf8) + long), .nameTooLong), ("/e/dir/..", .accessDenied),
            ("/e/..", .accessDenied),
        ]
        for (path, status) in cases { #expect(try failure(f, path) == status, "\(path)") }
        #expect(try dump(f) == [.init(host: "192.0.2.1", path: "/e")], "the fixture's own and no other")
    }

    /// Section 5.1.2: a path has at most MNTPATHLEN bytes, 1024; more are no arguments.
    @Test func thePathsLength() throws {
        let f = try Fixture()
        let path = Array("/e".utf8) + [UInt8](repeating: UInt8(ascii: "/"), count: 1022)
        #expect(try failure(f, FileName(path)) == nil)
        let longer = [0, 0, 4, 4] + path + [47, 47, 47, 47]
        for procedure in [Mount.ProcedureNumber.mnt, .umnt] {
            guard case .garbageArguments = call(f.mount, procedure, longer) else {
                Issue.record("\(procedure)")
                continue
            }
        }
    }

    @Test(arguments: [HandleKind.automatic, .table])
    func directoriesBeneathAnExport(kind: HandleKind) throws {
        let f = try Fixture(kind)
        let sub = try f.makeDirectory("sub", in: f.makeDirectory("dir"))
        let mounted = try #require(try f.mount.mnt("/e/dir/sub"))
        #expect(mounted.root == sub)
        #expect(mounted.flavors.contains(1), "AUTH_SYS")
        #expect(try f.list(mounted.root).entries.count == 2)
    }

    /// MNT3ERR_ACCES for who may not use the export: as its calls would be refused.
    @Test func clientsThatAreRefused() throws {
        let directory = try Directory()
        var options = ExportOptions.forWriting
        options.protection = .mtls
        let f = try Fixture(directory: directory)
        try f.server.reload([Export(name: "/m", directory: directory.path, options: options)])
        #expect(try failure(f, "/m", peer: Peer(address: "192.0.2.1:700", protection: .none)) == .accessDenied)
        #expect(try failure(f, "/m", peer: Peer(address: "192.0.2.1:700", protection: .tls)) == .accessDenied)
        #expect(try failure(f, "/m/x", peer: Peer(address: "192.0.2.1:700", protection: .tls)) == .accessDenied)
        #expect(try failure(f, "/x", peer: Peer(address: "192.0.2.1:700", protection: .tls)) == .noEntry)
        try f.server.reload([Export(name: "/m", directory: directory.path, rules: [])])
        #expect(try failure(f, "/m") == .accessDenied, "no rule is for it")
        try f.server.reload([])
        #expect(try failure(f, "/m") == .noEntry)
    }

    /// Sections 5.2.2 to 5.2.4.
    @Test func whoHasMountedWhat() throws {
        let f = try Fixture()
        _ = try f.makeDirectory("dir")
        let other = Peer(address: "[2001:db8::1]:701", protection: .tls)
        #expect(try failure(f, "/e/dir", peer: other) == nil)
        #expect(try failure(f, "/e", peer: other) == nil)
        let here = Mount.MountEntry(host: "192.0.2.1", path: "/e")
        let theirs = Mount.MountEntry(host: "[2001:db8::1]", path: "/e")
        #expect(try dump(f) == [here, theirs, .init(host: "[2001:db8::1]", path: "/e/dir")])
        #expect(try results(call(f.mount, .umnt, Mount.encode(path: "/e/dir"), peer: other)).isEmpty)
        #expect(try results(call(f.mount, .umnt, Mount.encode(path: "/never"), peer: other)).isEmpty)
        #expect(try dump(f) == [here, theirs])
        #expect(try results(call(f.mount, .umntAll, peer: other)).isEmpty)
        #expect(try dump(f) == [here], "nobody else's")
        #expect(try f.attributes(f.root).type == .directory, "the handle is as good as before")
    }

    /// Section 5.2.5.
    @Test func whatIsExported() throws {
        let f = try Fixture()
        let directory = try Directory()
        func exports() throws -> [Mount.ExportEntry] {
            try results(call(f.mount, .export)).withUnsafeBytes { try Mount.decodeExports($0, subject: "t") }
        }
        try f.server.reload([
            Export(name: "/e", directory: f.directory.path, options: .forReading),
            Export(name: "/other/name", directory: directory.path, options: .forWriting),
        ])
        #expect(try exports().map(\.path) == ["/e", "/other/name"])
        try f.server.reload([])
        #expect(try exports().isEmpty)
        #expect(try results(call(f.mount, .null)).isEmpty)
    }
}
