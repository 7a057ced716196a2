import Glibc
import TestSupport
import Testing

/// A sync of what is the same but for a little.
@Suite(.notInTheLab) struct SyncTests {
    @Test func tenOfTenThousandFiles() throws {
        let (count, changed) = (Layer.isLab ? 1000 : 10_000, 10)
        let site = try KillSite(Layer.hasKernel ? .kernel : .user)
        let relay = try CountingRelay(to: site.port)
        let source = site.local + "/many"
        mkdir(source, 0o755)
        for directory in 0..<100 { mkdir("\(source)/d\(directory)", 0o755) }
        func path(_ index: Int) -> String { "\(source)/d\(index % 100)/f\(index)" }
        for index in 0..<count { try write(pattern(1024, seed: UInt64(index)), to: path(index)) }

        func sync() throws -> (moved: Int, seconds: Double) {
            relay.reset()
            var (begin, end) = (timespec(), timespec())
            clock_gettime(CLOCK_MONOTONIC, &begin)
            expectDone(try site.xfer("sync", ["many/", "localhost:/data/copy"], port: relay.port).wait(seconds: 240))
            clock_gettime(CLOCK_MONOTONIC, &end)
            let seconds = Double(end.tv_sec - begin.tv_sec) + Double(end.tv_nsec - begin.tv_nsec) / 1e9
            return (relay.count.up, seconds)
        }
        let first = try sync()
        let before = try TreeComparison.entries(of: RawPath(site.data + "/copy"))
        for index in 0..<changed { try write(pattern(1024, seed: UInt64(count + index)), to: path(index * 97)) }
        let second = try sync()
        let after = try TreeComparison.entries(of: RawPath(site.data + "/copy"))
        print("sync of \(count) files: \(first); of \(changed) of them: \(second)")

        // A file that was moved again is another one.
        let moved = after.filter { before[$0.key]?.status.st_ino != $0.value.status.st_ino }.map(\.key.text).sorted()
        #expect(moved == (0..<changed).map { "d\($0 * 97 % 100)/f\($0 * 97)" }.sorted())
        #expect(second.moved < first.moved / 10, "\(second.moved) bytes after \(first.moved)")
        #expect(try TreeComparison.differences(RawPath(source), RawPath(site.data + "/copy")) == [])
        try site.stop()
    }
}
