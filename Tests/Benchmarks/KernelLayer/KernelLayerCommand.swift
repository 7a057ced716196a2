import ArgumentParser
import Glibc
import SecureChannel
import TestSupport

/// `bench ktls`
struct KernelLayer: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ktls",
        abstract: "Kernel TLS: beside nginx's, and what user space still does.",
        discussion: """
            Where the kernel has no kernel TLS this runs in the lab, Tests/Lab/ktls-lab. There the kernel's ciphers are \
            generic C, while user space has the processor's AES instructions. So like is compared with like: a server \
            whose kernel seals and a client that opens in user space, on either side. The kernel layer at both ends is \
            reported beside it, with the processor time that user space needs for each GB.
            """)

    @OptionGroup var common: CommonOptions

    @Option(help: ArgumentHelp("Of the file.", valueName: "MiB"))
    var size = 512
    @Option(help: "How often.")
    var rounds = 5
    @Option(help: ArgumentHelp("The directory that the lab and its outside know each other by.", visibility: .hidden))
    var marks: String?

    /// A file beside which only the size is another: what remains is what each copy costs, whatever its size.
    private static let smallSize = 4096
    /// Of the file that is copied without TLS.
    private static let cleartextSize = 2 << 30
    /// Copies that user space's time is taken of.
    private static let timedRounds = 3

    func validate() throws {
        guard (1...1 << 20).contains(size), (1...1000).contains(rounds) else {
            throw ValidationError("--size: 1 to 1048576; --rounds: 1 to 1000")
        }
    }

    func run() throws {
        if marks == nil, KernelTLS.obstacle(to: .aes128GCM) != nil { return try runLab() }
        var section = try measure()
        addTargets(&section)
        try common.finish(section, as: "ktls")
    }

    // MARK: - The lab

    private func runLab() throws {
        let place = try Directory(in: "/tmp")
        let lab = "Tests/Lab/ktls-lab"
        let output = try common.absoluteOutput()
        let spans = try LabClock(marks: place.path).run([
            lab, "--timeout", "3000", "--memory", "\(6 * size + 2048)", "--", Programs.path("bench"), "ktls", "--size",
            "\(size)", "--rounds", "\(rounds)", "--output", output, "--marks", place.path,
        ])
        guard var section = Results.load(output).sections["ktls"] else { throw Unexpected("\(output) has no results") }
        for (name, seconds) in spans { section.settings["user seconds, \(name)"] = Progress.fixed(seconds, 4) }
        addUserSpace(spans, &section)
        addTargets(&section)
        try addCleartext(&section)
        try common.finish(section, as: "ktls")
    }

    /// What the kernel layer's calls cost user space on a real kernel: without TLS they are the same, but for splice(2), which
    /// takes more than a record then. In the lab each system call flushes the processor's caches.
    private func addCleartext(_ section: inout Results.Section) throws {
        let workspace = try Workspace(in: common.place, needed: 2 * Self.cleartextSize + (50 << 20))
        defer { workspace.end() }
        let site = try XferSite(workspace, layer: "auto", isCleartext: true)
        defer { site.stop() }
        try Content.file(workspace.path("served/file"), size: Self.cleartextSize)
        for job in [CopyJob.fetchLarge, .pushLarge] {
            let seconds = try userSeconds("cleartext", job, Xfer(site), workspace)
            let gigabytes = Double(Self.timedRounds * Self.cleartextSize) / 1e9
            section.notes.append(
                """
                \(job.isPush ? "push" : "fetch") outside the lab, without TLS, by the same system calls: user space took \
                \(Progress.fixed(seconds / gigabytes, 3)) s for a GB.
                """)
        }
    }

    // MARK: - On a kernel that has it

    private func measure() throws -> Results.Section {
        let bytes = size << 20
        let workspace = try Workspace(in: common.place, needed: 2 * bytes + (50 << 20))
        defer { workspace.end() }
        let site = try XferSite(workspace, layer: "kernel")
        defer { site.stop() }
        let nginx = try Nginx(workspace, kernelLayer: true)
        defer { nginx.stop() }
        var section = Results.Section(
            settings: ["rounds": "\(rounds)", "size": "\(size) MiB", "cipher": cipherSuite, "place": common.place],
            versions: Versions.all())
        let mixed = Xfer(
            site, label: "xfer in user space, xferd in the kernel", layer: "user", flags: ["--record-layer", "user"])
        let kernel = Xfer(
            site, name: "xfer-kernel", label: "xfer and xferd in the kernel", layer: "kernel",
            flags: ["--record-layer", "kernel"])
        let curl = Curl(nginx, secure: true, label: "curl in user space, nginx in the kernel")

        try Content.file(workspace.path("served/file"), size: bytes)
        let copies = Copies(workspace: workspace, rounds: rounds, bytes: bytes, files: 1)
        try section.checkKernelSends("nginx") { _ = try copies.measure(.fetchLarge, curl) }
        try section.checkKernelSends("xferd") { _ = try copies.measure(.fetchLarge, mixed) }
        section.measurements += try copies.run(.fetchLarge, [mixed, curl, kernel])
        section.measurements += try copies.run(.pushLarge, [kernel])
        var spans: [String: Double] = [:]
        for job in [CopyJob.fetchLarge, .pushLarge] {
            // The last copy that was timed has its room.
            try workspace.remove("\(job.target)/\(job.name)")
            let what = job.isPush ? "push" : "fetch"
            try Content.file(workspace.path("served/file"), size: bytes)
            spans["\(what)-large"] = try userSeconds("\(what)-large", job, kernel, workspace)
            try Content.file(workspace.path("served/file"), size: Self.smallSize)
            spans["\(what)-small"] = try userSeconds("\(what)-small", job, kernel, workspace)
        }
        if marks == nil { addUserSpace(spans, &section) }
        return section
    }

    /// User time of some copies, one after the other, without anything else that works meanwhile.
    ///
    /// - Returns: seconds as this kernel counts them.
    private func userSeconds(_ name: String, _ job: CopyJob, _ peer: Xfer, _ workspace: Workspace) throws -> Double {
        guard let command = peer.command(job) else { return 0 }
        var client = ProcessorTime()
        let before = peer.servers.map { ProcessTree($0).time }
        func copy() throws {
            for round in 0..<Self.timedRounds {
                let outcome = try TimedProgram(
                    command.dropLast() + [(command.last ?? "") + "-\(round)"], home: workspace.path("home"),
                    errors: workspace.path("log/timed"), isWatched: false
                ).wait()
                client = client + outcome.use
                unlink("\(workspace.path(job.target))/\(job.name)-\(round)")
            }
        }
        if let marks { try LabClock(marks: marks).time(name, copy) } else { try copy() }
        let servers = zip(peer.servers, before).map { ProcessTree($0).time - $1 }.reduce(ProcessorTime(), +)
        return client.user + servers.user
    }

    // MARK: - What came of it

    private func addUserSpace(_ spans: [String: Double], _ section: inout Results.Section) {
        let copies = Double(Self.timedRounds)
        for what in ["fetch", "push"] {
            guard let large = spans["\(what)-large"], let small = spans["\(what)-small"] else { continue }
            let cost = max(0, large - small) / copies / (Double(size << 20) / 1e9)
            section.targets.append(
                Target("\(what), kernel at both ends: user space for each GB", atMost: 0.05, cost, unit: "s"))
            section.notes.append(
                """
                \(what), kernel layer at both ends, user time of xfer, tlscd, xferd and tlssd together: \
                \(Progress.fixed(small / copies, 3)) s for a copy of 4 KiB (programs started, certificates, handshakes), \
                \(Progress.fixed(large / copies, 3)) s for one of \(size) MiB. A GB takes the difference, by the gigabyte.
                """)
        }
    }

    private func addTargets(_ section: inout Results.Section) {
        if let ours = section.find("fetch-large", "xfer"), let theirs = section.find("fetch-large", "curl-tls") {
            section.targets.removeAll { $0.unit == "x" }
            section.targets.insert(
                Target("nginx's kernel TLS with curl", atLeast: 1.1, Statistics.ratio(theirs, to: ours)), at: 0)
        }
    }
}

extension Results.Section {
    /// Runs `body`, in which the kernel must have begun to send records for somebody.
    fileprivate mutating func checkKernelSends(_ who: String, _ body: () throws -> Void) throws {
        func count() -> Int {
            for line in contents(of: "/proc/net/tls_stat").split(separator: "\n") where line.hasPrefix("TlsTxSw ") {
                return line.split(whereSeparator: { $0 == " " || $0 == "\t" }).last.flatMap { Int($0) } ?? 0
            }
            return 0
        }
        let before = count()
        try body()
        let begun = count() - before
        guard begun > 0 else { throw Unexpected("\(who) did not use kernel TLS: /proc/net/tls_stat counts no TlsTxSw") }
        notes.append(
            "\(who): kernel TLS confirmed by /proc/net/tls_stat (\(begun) connection\(begun == 1 ? "" : "s") sent)")
    }
}
