import TestSupport
import Testing

/// mount-worker in a mount: reads, writes, maps and truncates a file at random, against a model in memory.
@Suite struct RandomFileTests {
    @Test(.inPeerLab, arguments: zip([RecordLayer.user, .kernel, .kernel], [2, 3, 4]))
    func whatIsWrittenIsRead(layer: RecordLayer, seed: Int) throws {
        try withMount(.init(layer: layer), seconds: 450) { site in
            let ended = try RunningProgram(
                [Programs.path("mount-worker"), "random", site.mountPoint + "/file", "\(seed)", "20000"]
            ).wait(seconds: 400)
            #expect(ended.status == 0 && ended.output.hasSuffix("step 200\ndone\n"), "\(ended.error)")
            // What the client reads is what the server has.
            try shell(
                "cmp '\(site.mountPoint)/file' '\(site.data)/file' && test -s '\(site.data)/file'", in: site.local)
        }
    }

    /// The checker itself, on this machine's own file system.
    @Test func theCheckerIsRightOnALocalFile() throws {
        let directory = try Directory(in: "/var/tmp")
        let ended = try RunningProgram(
            [Programs.path("mount-worker"), "random", directory.path + "/file", "5", "500", "local"]
        ).wait()
        #expect(ended.status == 0 && ended.output.hasSuffix("step 5\ndone\n"), "\(ended.error)")
    }
}
