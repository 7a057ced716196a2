import TestSupport
import Testing

/// ``RandomFileChecker`` in a mount.
@Suite(.inPeerLab) struct RandomFileTests {
    static let operations = 20_000

    @Test(arguments: zip([RecordLayer.user, .kernel, .kernel], [2, 3, 4] as [UInt64]))
    func whatIsWrittenIsRead(layer: RecordLayer, seed: UInt64) throws {
        try withMount(.init(layer: layer)) { site in
            var checker = try RandomFileChecker(site.mountPoint + "/file", seed: seed)
            while checker.operations < Self.operations { try checker.step() }
            let model = try checker.readBack()
            let isSame = bytes(of: site.data + "/file") == model
            #expect(isSame, "the server's file is not what the client reads")
        }
    }

    /// The checker itself: the same numbers on this machine's own file system, here and everywhere.
    @Test func theCheckerIsRightOnALocalFile() throws {
        let directory = try Directory(in: "/var/tmp")
        var checker = try RandomFileChecker(directory.path + "/file", seed: 5, direct: false)
        while checker.operations < 500 { try checker.step() }
        let model = try checker.readBack()
        #expect(bytes(of: directory.path + "/file") == model)
    }
}
