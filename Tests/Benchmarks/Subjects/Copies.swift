import Glibc
import Kernel
import TestSupport

/// Copies of one file or one tree, by each peer in turn, as often as there are rounds.
struct Copies {
    let workspace: Workspace
    let rounds: Int
    /// Of the file; of all files of the tree.
    let bytes: Int
    let files: Int

    /// - Returns: in the order of the peers; those are left out that cannot do it.
    func run(_ job: CopyJob, _ peers: [any Peer]) throws -> [Measurement] {
        let able = peers.filter { $0.command(job) != nil }
        var results = able.map {
            Measurement(
                subject: job.rawValue, peer: $0.name, label: $0.label, unit: "s", bytes: bytes,
                files: job.isTree ? files : nil)
        }
        if able.isEmpty { return [] }
        Progress.say("\(job.rawValue), \(able.map(\.name).joined(separator: " "))")
        for round in 0..<rounds {
            // Who is first changes, and in which order they come: none always finds the machine as another left it.
            let turned = able.indices.map { ($0 + round) % able.count }
            for index in round % 2 == 0 ? turned : turned.reversed() {
                results[index].samples.append(try measure(job, able[index]))
            }
            let line = results.map { Progress.number($0.samples[round].value) }.joined(separator: "  ")
            Progress.say("  round \(round + 1) of \(rounds): \(line)")
        }
        return results
    }

    /// One run to a name that is not there; then what came is compared.
    func measure(_ job: CopyJob, _ peer: any Peer) throws -> Sample {
        guard let command = peer.command(job) else { throw Unexpected("\(peer.name) cannot do \(job.rawValue)") }
        try workspace.remove("\(job.target)/\(job.name)")
        try workspace.warm(bytes)
        for server in peer.servers { ProcessTree.forgetPeak(server) }
        let roots = peer.servers + peer.clientHelpers
        let before = roots.map { (process: $0, tree: ProcessTree($0)) }.map {
            ($0.process, $0.tree.time, $0.tree.count)
        }
        let errors = workspace.path("log/\(peer.name)")
        let outcome = try TimedProgram(command, home: workspace.path("home"), errors: errors).wait()
        var peaks = outcome.peaks
        for (process, _, count) in before { settle(process, count, &peaks) }
        let used = before.map { process, time, _ in ProcessTree(process).time - time }
        let server = used.prefix(peer.servers.count).reduce(ProcessorTime(), +)
        let client = used.dropFirst(peer.servers.count).reduce(outcome.use, +)
        try peer.check(errors: contents(of: errors))
        do {
            try compare(job, peer)
        } catch {
            throw Unexpected("\(command.joined(separator: " ")): \(error)")
        }
        return Sample(value: outcome.seconds, client: client, server: server, peaks: peaks)
    }

    /// A server's process for this one copy may end after the client's; until then nobody has its time.
    private func settle(_ process: pid_t, _ count: Int, _ peaks: inout [String: Int]) {
        let deadline = Deadline.after(seconds: 1)
        while true {
            let tree = ProcessTree(process)
            peaks.merge(tree.peaks) { max($0, $1) }
            if tree.count <= count || deadline.hasPassed { return }
            usleep(5000)
        }
    }

    private func compare(_ job: CopyJob, _ peer: any Peer) throws {
        let (source, copy) = (workspace.path("served/\(job.name)"), workspace.path("\(job.target)/\(job.name)"))
        if job.isTree {
            try Content.compareTrees(source, copy, files: files, peer.kept)
        } else {
            try Content.compareFiles(source, copy)
        }
    }
}
