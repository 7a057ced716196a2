import Glibc
import Handshake
import Kernel
import RPC
import SecureChannel
import Synchronization
import TestSupport
import Transfer

extension GrowthTools {
    private static let counts = [1, 10, 100, 1000]
    /// What all of them fetch together.
    private static let total = 1_000_000_000
    /// Processes are for so many at most; then they are sessions within one.
    private static let mostProcesses = 100

    /// Ever more clients at once that share one GB: each fetches its part.
    func clients(upTo limit: Int, _ section: inout Results.Section) async throws {
        try Machine.requireRoom(2 * Self.total, in: place)
        for count in Self.counts where count <= limit {
            let part = Self.total / count
            try Content.file(workspace.path("served/part"), size: part)
            if count <= Self.mostProcesses {
                let daemon = try site.daemon()
                try processes(count, part, &section, "xfer", "xfer, processes") {
                    [
                        Programs.path("xfer"), "get", "-q", "-o", "port=\(site.port),tlscd=\(daemon)",
                        "127.0.0.1:/served/part", workspace.path("copy/part-\($0)"),
                    ]
                }
                try processes(count, part, &section, "curl-tls", "curl and nginx, TLS, processes") {
                    nginx.curl
                        + ["-o", workspace.path("copy/part-\($0)"), nginx.url("served/part", secure: true)]
                }
            }
            try await sessions(count, part, &section)
            try workspace.remove("served/part")
        }
    }

    private func processes(
        _ count: Int, _ part: Int, _ section: inout Results.Section, _ peer: String, _ label: String,
        _ command: (Int) -> [String]
    ) throws {
        Progress.say("growth-clients, \(count) of \(peer)")
        let servers = peer == "xfer" ? site.servers : [nginx.process]
        var point = Measurement(
            subject: "growth-clients", peer: peer, label: label, unit: "s", bytes: part * count, x: Double(count))
        for _ in 0..<rounds {
            for server in servers { ProcessTree.forgetPeak(server) }
            let before = servers.map { ProcessTree($0).time }
            let began = Deadline.clock
            var running: [TimedProgram] = []
            for index in 0..<count {
                running.append(
                    try TimedProgram(
                        command(index), home: workspace.path("home"), errors: workspace.path("log/client-\(index)")))
            }
            var use = ProcessorTime()
            var peaks: [String: Int] = [:]
            for program in running {
                let outcome = try program.wait()
                use = use + outcome.use
                peaks.merge(outcome.peaks) { max($0, $1) }
            }
            let seconds = Double(Deadline.clock - began) / 1e9
            let used = zip(servers, before).map { ProcessTree($0).time - $1 }.reduce(ProcessorTime(), +)
            for server in servers { peaks.merge(ProcessTree(server).peaks) { max($0, $1) } }
            point.samples.append(Sample(value: seconds, client: use, server: used, peaks: peaks))
            for index in 0..<count {
                try Content.compareFiles(workspace.path("served/part"), workspace.path("copy/part-\(index)"))
            }
            try workspace.remove("copy")
            mkdir(workspace.path("copy"), 0o755)
        }
        section.measurements.append(point)
    }

    /// Sessions of one process, one connection each: all connect, then all read at once, into memory.
    private func sessions(_ count: Int, _ part: Int, _ section: inout Results.Section) async throws {
        Progress.say("growth-clients, \(count) sessions")
        var options = MountOptions()
        try options.apply("port=\(site.port),nconnect=1")
        let daemon = HandshakeDaemon(path: try site.daemon(), role: .client, recordLayer: .auto)
        var connecting = Measurement(
            subject: "growth-connect", peer: "xfer-sessions",
            label: "sessions within one process, until all are mounted",
            unit: "s", x: Double(count))
        var reading = Measurement(
            subject: "growth-clients", peer: "xfer-sessions", label: "xfer's engine, sessions within one process",
            unit: "s", bytes: part * count, x: Double(count))
        let executor = try EngineExecutor(threads: 4)
        for _ in 0..<rounds {
            for server in site.servers { ProcessTree.forgetPeak(server) }
            let began = Deadline.clock
            let sessions = (0..<count).map { _ in
                Session(host: "127.0.0.1", options: options, daemon: daemon) { Progress.say($0) }
            }
            defer { for session in sessions { session.close() } }
            let clock = Condition<UInt64>(0)
            let before = site.servers.map { ProcessTree($0).time }
            let own = ProcessTree.time(of: getpid())
            try await withTaskExecutorPreference(executor) {
                let remotes = try await withThrowingTaskGroup(of: Remote.self) { group in
                    for session in sessions {
                        group.addTask { try await Remote.mount(session, path: "/served") }
                    }
                    return try await group.reduce(into: []) { $0.append($1) }
                }
                clock.withLock { $0 = Deadline.clock }
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for remote in remotes {
                        group.addTask {
                            var bytes = 0
                            try await FileReader(remote).read("/served/part", .from(offset: 0, length: nil)) {
                                bytes += $0.count
                            }
                            guard bytes == part else { throw Unexpected("\(bytes) bytes of \(part)") }
                        }
                    }
                    try await group.waitForAll()
                }
            }
            let mounted = clock.withLock { $0 }
            connecting.samples.append(Sample(value: Double(mounted - began) / 1e9))
            let used = zip(site.servers, before).map { ProcessTree($0).time - $1 }.reduce(ProcessorTime(), +)
            let peaks = site.servers.reduce(into: [String: Int]()) { $0.merge(ProcessTree($1).peaks) { max($0, $1) } }
            reading.samples.append(
                Sample(
                    value: Double(Deadline.clock - mounted) / 1e9, client: ProcessTree.time(of: getpid()) - own,
                    server: used, peaks: peaks))
        }
        section.measurements += [connecting, reading]
    }
}
