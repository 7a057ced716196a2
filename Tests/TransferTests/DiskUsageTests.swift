import NFS
import Synchronization
import TestSupport
import Testing

@testable import Transfer

@Suite struct DiskUsageTests {
    /// What fails in the middle of a listing is said, and what was listed before counts.
    @Test func aDirectoryThatCannotBeListedToItsEnd() async throws {
        var behaviour = Behaviour()
        behaviour.status = { procedure, count in procedure == .readDirPlus && count == 2 ? .io : nil }
        let server = try ForeignServer(behaviour: behaviour)
        for index in 0..<250 { server.state.add("f\(index)", [1, 2, 3]) }
        let reports = Mutex<[String]>([])
        let failures = Mutex<[String]>([])
        try await withMount(server) { remote, _ in
            try await DiskUsage(
                remote, DiskUsage.Options(), DiskUsage.Counted(),
                report: { path, total in
                    reports.withLock { $0.append("\(path) \(total.apparent) \(total.files) \(total.directories)") }
                }, failed: { error in failures.withLock { $0.append("\(error)") } }
            ).measure("/data", named: "top")
        }
        #expect(reports.withLock { $0 } == ["top 300 100 1"])
        #expect(failures.withLock { $0.count } == 1 && failures.withLock { $0[0] }.contains("NFS3ERR_IO"))
    }

    /// What the report throws, such as a pipe that nobody reads, ends it.
    @Test func aReportThatCannotBeMade() async throws {
        struct Gone: Error {}
        let server = try ForeignServer()
        for index in 0..<250 { server.state.add("f\(index)", [1]) }
        var options = DiskUsage.Options()
        options.all = true
        let wish = options
        try await withMount(server) { remote, _ -> Void in
            _ = await #expect(throws: Gone.self) {
                try await DiskUsage(
                    remote, wish, DiskUsage.Counted(), report: { _, _ in throw Gone() },
                    failed: { Issue.record("\($0)") }
                ).measure("/data", named: "top")
            }
        }
        #expect(server.state.calls(.readDirPlus) == 1)
    }
}
