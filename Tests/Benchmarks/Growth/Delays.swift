import Glibc
import Kernel
import TestSupport

extension GrowthTools {
    /// Round trips, in milliseconds.
    private static let roundTrips: [Double] = [0, 1, 20, 100]

    /// Over ever longer paths, by a relay that holds up every byte and limits nothing else, beside curl over another one.
    func delays(size: Int, _ section: inout Results.Section) throws {
        try Content.file(workspace.path("served/file"), size: size)
        for milliseconds in Self.roundTrips {
            let ours = try DelayRelay(to: site.port, roundTrip: milliseconds / 1000)
            let theirs = try DelayRelay(to: nginx.securePort, roundTrip: milliseconds / 1000)
            try confirm(ours, milliseconds, &section)
            let copies = Copies(workspace: workspace, rounds: rounds, bytes: size, files: 1)
            for job in [CopyJob.fetchLarge, .pushLarge] {
                let measured = try copies.run(
                    job, [Xfer(site, port: ours.port), Curl(nginx, secure: true, port: theirs.port)])
                add(measured, as: "growth-delay-\(job.rawValue)", at: milliseconds, &section)
                try workspace.remove("\(job.target)/file")
            }
        }
        try workspace.remove("served/file")
    }

    /// The relay's own round trip, as `xfer ping` sees it, must be what was wanted.
    private func confirm(_ relay: DelayRelay, _ milliseconds: Double, _ section: inout Results.Section) throws {
        let output = workspace.path("log/ping")
        let file = try Files.open(output, O_WRONLY | O_CREAT | O_TRUNC)
        try TimedProgram.run(
            [
                Programs.path("xfer"), "ping", "-c", "5", "--json", "-o", site.options(port: relay.port),
                "127.0.0.1:/served",
            ], workspace, output: file.raw)
        let seconds = try PingOutput.median(of: contents(of: output))
        section.notes.append(
            "relay for \(Progress.number(milliseconds)) ms: xfer ping measures \(Progress.fixed(seconds * 1000, 2)) ms")
        guard seconds * 1000 >= milliseconds, seconds * 1000 < milliseconds + 30 else {
            throw Unexpected("the relay has a round trip of \(seconds * 1000) ms and not of \(milliseconds) ms")
        }
    }
}
