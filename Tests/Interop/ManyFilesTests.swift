import Glibc
import TestSupport
import Testing

@Suite(.inPeerLab) struct ManyFilesTests {
    @Test func tenThousandSmallFiles() throws {
        try withMount(seconds: 400) { site in
            let count = 10_000
            let directory = site.mountPoint + "/many"
            mkdir(directory, 0o755)
            for number in 0..<count { try write("\(number)\n", to: "\(directory)/f\(number)") }
            // Neither names nor contents are known to the client any more.
            expectDone(try site.unmount())
            expectDone(try site.mount())
            let wanted = (0..<count).map { "f\($0)" }.sorted()
            #expect(names(in: directory) == wanted)
            #expect(names(in: site.data + "/many") == wanted)
            let wrong = (0..<count).filter { contents(of: "\(directory)/f\($0)") != "\($0)\n" }
            #expect(wrong.isEmpty, "\(wrong.prefix(20))")
            try shell("rm -rf many", in: site.mountPoint, seconds: 200)
            #expect(names(in: site.data).isEmpty)
        }
    }
}
