import TestSupport

extension GrowthTools {
    /// From 1 MB on, sixteen times as much each time, and the largest.
    private static let sizes = [1_000_000, 16_000_000, 128_000_000, 1_000_000_000, 4_000_000_000, 16_000_000_000]

    /// One file, ever larger. Both copies are in memory; one that has room only once is read by `xfer cat`, which writes
    /// it nowhere, and curl does the same.
    func sizes(upTo limit: Int, _ section: inout Results.Section) throws {
        for size in Self.sizes where size <= limit {
            if (try? Machine.requireRoom(2 * size, in: place)) != nil {
                try Content.file(workspace.path("served/file"), size: size)
                // A small file is over before a processor's time is known: more often, then.
                let copies = Copies(
                    workspace: workspace, rounds: size >= 4_000_000_000 ? 1 : size < 100_000_000 ? 4 * rounds : rounds,
                    bytes: size, files: 1)
                for job in [CopyJob.fetchLarge, .pushLarge] {
                    _ = try copies.measure(job, LocalCopy(workspace))
                    let measured = try copies.run(job, [Xfer(site), Curl(nginx, secure: true)])
                    add(measured, as: "growth-\(job.rawValue)", at: Double(size), &section)
                    try workspace.remove("\(job.target)/file")
                }
            } else {
                section.notes.append("\(size / 1_000_000_000) GB: no room for both copies, so not measured as a copy")
            }
            if size >= 1_000_000_000 { try cat(size, &section) }
            try workspace.remove("served/file")
        }
    }

    private func cat(_ size: Int, _ section: inout Results.Section) throws {
        guard (try? Machine.requireRoom(exists(workspace.path("served/file")) ? 0 : size, in: place)) != nil else {
            section.notes.append("\(size / 1_000_000_000) GB: no room for the file at all")
            return
        }
        if !exists(workspace.path("served/file")) { try Content.file(workspace.path("served/file"), size: size) }
        Progress.say("growth-cat, \(size / 1_000_000) MB")
        for way in [
            Reading(
                peer: "xfer", label: "xfer cat", servers: site.servers,
                command: [Programs.path("xfer"), "cat", "-o", site.options(), "127.0.0.1:/served/file"]),
            Reading(
                peer: "curl-tls", label: "curl and nginx, TLS, to /dev/null", servers: [nginx.process],
                command: nginx.curl + ["-o", "/dev/null", nginx.url("served/file", secure: true)]),
        ] {
            var point = Measurement(
                subject: "growth-cat", peer: way.peer, label: way.label, unit: "s", bytes: size, x: Double(size))
            for _ in 0..<(size >= 4_000_000_000 ? 1 : rounds) { point.samples.append(try way.measure(workspace)) }
            section.measurements.append(point)
        }
    }
}

/// A command whose output goes nowhere.
struct Reading {
    let peer: String
    let label: String
    let servers: [Int32]
    let command: [String]

    func measure(_ workspace: Workspace) throws -> Sample {
        let before = servers.map { ProcessTree($0).time }
        let outcome = try TimedProgram(
            command, home: workspace.path("home"), errors: workspace.path("log/reading")
        ).wait()
        let used = zip(servers, before).map { ProcessTree($0).time - $1 }.reduce(ProcessorTime(), +)
        return Sample(value: outcome.seconds, client: outcome.use, server: used, peaks: outcome.peaks)
    }
}
