import Testing

@testable import NFS

@Suite struct MountTests {
    @Test func mntRoundTrips() throws {
        let mounted = Mount.Mounted(root: Sample.longHandle, flavors: [1, 0, 7])
        let bytes = try Mount.encodeMnt(.success(mounted))
        #expect(try bytes.withUnsafeBytes { try Mount.decodeMnt($0, subject: "/e") } == mounted)
        for length in 0..<bytes.count {
            #expect(throws: MountError(nil, .mnt, "/e")) {
                try bytes.prefix(length).withUnsafeBytes { try Mount.decodeMnt($0, subject: "/e") }
            }
        }
        let failed = try Mount.encodeMnt(.failure(MountError(.noEntry, .mnt, "/e")))
        #expect(throws: MountError(.noEntry, .mnt, "/e")) {
            try failed.withUnsafeBytes { try Mount.decodeMnt($0, subject: "/e") }
        }
        #expect(
            MountError(.noEntry, .mnt, "/e").description
                == "/e: the server exports no such path (MOUNT MNT: MNT3ERR_NOENT)")
    }

    @Test func pathsRoundTripAndHaveALimit() throws {
        let bytes = try Mount.encode(path: "/export/one")
        #expect(bytes.withUnsafeBytes { Mount.decodePath($0) } == "/export/one")
        #expect(throws: XDREncodingError.self) { try Mount.encode(path: FileName([UInt8](repeating: 65, count: 1025))) }
    }

    @Test func listsRoundTrip() throws {
        let exports = [
            Mount.ExportEntry(path: "/a", groups: ["one", "three"]), Mount.ExportEntry(path: "/bcd"),
        ]
        let bytes = try Mount.encode(exports)
        #expect(try bytes.withUnsafeBytes { try Mount.decodeExports($0, subject: "s") } == exports)
        let mounts = [Mount.MountEntry(host: "h", path: "/a"), Mount.MountEntry(host: "host2", path: "/b/c")]
        let dump = try Mount.encode(mounts)
        #expect(try dump.withUnsafeBytes { try Mount.decodeDump($0, subject: "s") } == mounts)
        for length in 0..<bytes.count {
            #expect(throws: MountError(nil, .export, "s")) {
                try bytes.prefix(length).withUnsafeBytes { try Mount.decodeExports($0, subject: "s") }
            }
        }
        #expect(
            try Mount.encode([Mount.ExportEntry]()).withUnsafeBytes { try Mount.decodeExports($0, subject: "s") } == [])
    }

    @Test func statusesOfNFSThatMountLacksAreTheServersFault() {
        #expect(Mount.Status(.stale) == .serverFault)
        #expect(Mount.Status(.notDirectory) == .notDirectory)
    }
}
