import Glibc
import Kernel
import Synchronization
import TestSupport
import Testing

/// xferd is killed while programs work in the mount, and started again with the same state and port.
@Suite(.inPeerLab) struct RestartTests {
    @Test(arguments: RecordLayer.allCases) func programsGoOnAndNothingIsLost(layer: RecordLayer) throws {
        try withMount(.init(layer: layer), seconds: 400) { site in
            let here = site.mountPoint
            try write(pattern(3 << 20), to: site.local + "/source")
            let progress = Progress()
            let restarts = Atomic(0)

            let checker = try RunningProgram([Programs.path("file-checker"), here + "/random", "11", "0"])
            let checks = Mutex(0)
            let journal = try Journal(here + "/journal")
            let loop = try NameLoop(in: here + "/names") { restarts.load(ordering: .sequentiallyConsistent) }
            let workers = [
                try progress.work("random I/O") {
                    let count = checks.withLock { count in
                        count += 100
                        return count
                    }
                    try checker.printed("operations \(count)\n", seconds: 120)
                },
                try progress.work("journal") { try journal.append() },
                try progress.work("names") { try loop.step() },
                try progress.work("copies") {
                    try shell("cp source '\(here)/copy' && cmp source '\(here)/copy'", in: site.local)
                },
            ]

            for _ in 1...3 {
                try progress.advance(by: 2)
                try site.restart {
                    // There is no server now: what it has said is safe is in the file.
                    restarts.add(1, ordering: .sequentiallyConsistent)
                    try journal.check(site.data + "/journal")
                }
            }
            try progress.advance(by: 2)
            progress.stop()
            for worker in workers { try worker.value(within: 120) }

            try journal.check(site.data + "/journal")
            let ended = try checker.stop()
            #expect(ended.status == 0 && ended.output.contains("done"), "\(ended.error)")
            try shell("cmp '\(here)/random' '\(site.data)/random' && cmp source '\(site.data)/copy'", in: site.local)
            #expect(names(in: site.data) == ["copy", "journal", "names", "random"])
            try loop.finish(site.data + "/names")
        }
    }
}
