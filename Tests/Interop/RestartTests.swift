import Glibc
import TestSupport
import Testing

/// xferd is killed while programs work in the mount, and started again with the same state and port.
@Suite(.inPeerLab) struct RestartTests {
    @Test(arguments: RecordLayer.allCases) func programsGoOnAndNothingIsLost(layer: RecordLayer) throws {
        try withMount(.init(layer: layer), seconds: 400) { site in
            let here = site.mountPoint
            try write(pattern(3 << 20), to: site.local + "/source")
            func worker(_ words: String...) throws -> RunningProgram {
                try RunningProgram([Programs.path("mount-worker")] + words)
            }
            let journal = try worker("journal", here + "/journal")
            let workers = [
                journal,
                try worker("random", here + "/random", "11", "0"),
                try worker("names", here + "/names"),
                try RunningProgram([
                    "bash", "-euc",
                    """
                    n=0 stop=
                    trap stop=1 TERM
                    until [[ $stop ]]; do
                        cp '\(site.local)/source' '\(here)/copy'
                        cmp '\(site.local)/source' '\(here)/copy'
                        echo "step $((++n))"
                    done
                    echo done
                    """,
                ]),
            ]
            defer { for worker in workers { worker.signal(SIGKILL) } }

            for _ in 1...3 {
                for worker in workers { try worker.advances(by: 2) }
                try site.restart {
                    // There is no server now: what it has said is safe is in the file.
                    try JournalRecord.check(journal.steps, in: site.data + "/journal")
                }
            }
            for worker in workers { try worker.advances(by: 2) }
            for worker in workers {
                let ended = try worker.stop(seconds: 120)
                #expect(ended.status == 0 && ended.output.hasSuffix("done\n"), "\(ended.error)")
            }

            try JournalRecord.check(journal.steps, in: site.data + "/journal")
            try shell("cmp '\(here)/random' '\(site.data)/random' && cmp source '\(site.data)/copy'", in: site.local)
            #expect(names(in: site.data) == ["copy", "journal", "names", "random"])
        }
    }
}

extension RunningProgram {
    /// How many lines `step N` it has printed.
    fileprivate var steps: Int { output.split(separator: "\n").filter { $0.hasPrefix("step ") }.count }

    fileprivate func advances(by more: Int) throws { try printed("step \(steps + more)\n", seconds: 120) }
}
