import Glibc
import Kernel
import TestSupport

/// From starting a program until the first byte of a small file has come out of it: connection, handshake and all.
struct FirstByte {
    let site: XferSite
    let nginx: Nginx
    let shell: SecureShell
    let rounds: Int

    /// Runs in a round: each is short.
    private static let repeats = 5

    func run() throws -> [Measurement] {
        let workspace = site.workspace
        try Content.file(workspace.path("served/small"), size: 4096)
        let xfer = [Programs.path("xfer"), "cat", "-o"]
        let ways: [(peer: String, label: String, command: [String])] = [
            ("xfer", "xfer cat", xfer + [site.options(), "127.0.0.1:/served/small"]),
            (
                "xfer-tlscd", "xfer cat, tlscd running",
                xfer + ["port=\(site.port),tlscd=\(try site.daemon())", "127.0.0.1:/served/small"]
            ),
            ("curl-tls", "curl and nginx, TLS", nginx.curl + [nginx.url("served/small", secure: true)]),
            (
                "ssh", "ssh cat",
                ["ssh"] + shell.options(cipher: nil) + [shell.host, "cat \(workspace.path("served/small"))"]
            ),
        ]
        Progress.say("first-byte, \(ways.map(\.peer).joined(separator: " "))")
        var results = ways.map { Measurement(subject: "first-byte", peer: $0.peer, label: $0.label, unit: "s") }
        for _ in 0..<rounds * Self.repeats {
            for (index, way) in ways.enumerated() {
                results[index].samples.append(try measure(way.command, workspace))
            }
        }
        return results
    }

    private func measure(_ command: [String], _ workspace: Workspace) throws -> Sample {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw Unexpected("pipe: \(String(cString: strerror(errno)))") }
        defer { close(ends[0]) }
        let started = Result {
            try TimedProgram(
                command, home: workspace.path("home"), errors: workspace.path("log/first-byte"), output: ends[1])
        }
        close(ends[1])
        let program = try started.get()
        var buffer = [UInt8](repeating: 0, count: 8192)
        var first: Double?
        var total = 0
        while true {
            let count = read(ends[0], &buffer, buffer.count)
            if count < 0 && errno == EINTR { continue }
            if count <= 0 { break }
            if first == nil { first = program.elapsed }
            total += count
        }
        let outcome = try program.wait()
        guard let first, total == 4096 else { throw Unexpected("\(command.joined(separator: " ")): \(total) bytes") }
        return Sample(value: first, client: outcome.use)
    }
}
