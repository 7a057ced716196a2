import ArgumentParser
import TestSupport

/// `bench peers`
struct Peers: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Copies, handshakes, calls, in turn with nginx and curl, scp, rsync, cp.",
        discussion: """
            All on loopback, from memory file system to memory file system, TLS 1.3 AES-128-GCM where there is TLS. The \
            peers come in turn, in another order each round, and each copy is compared with its source. The machines this \
            runs on are noisy: ratios count, not seconds.
            """)

    @OptionGroup var common: CommonOptions

    @Option(help: ArgumentHelp("Of the large file.", valueName: "MiB"))
    var size = 2048
    @Option(help: "Of the tree, 4 KiB each.")
    var files = 10_000
    @Option(help: "How often.")
    var rounds = 5
    @Option(
        help: ArgumentHelp(
            """
            With commas: fetch-large, push-large, fetch-small, push-small, handshakes, calls, first-byte, \
            idle-connections; all if left out.
            """, valueName: "subjects"))
    var only: String?
    @Option(
        help: ArgumentHelp(
            """
            Beside whom to copy, with commas: cp, curl-tls, curl-plain, scp, scp-aes, rsync-ssh, rsync-ssh-aes, \
            rsync-tls; all if left out.
            """, valueName: "peers"))
    var peers: String?
    @Option(help: ArgumentHelp("Of xfer and xferd: auto, kernel or user.", valueName: "layer"))
    var recordLayer = "auto"
    @Option(help: ArgumentHelp("More of xfer's -o, such as nconnect=2.", valueName: "options"))
    var options: String?
    @Option(
        help: ArgumentHelp(
            "Fail where the fetch of the large file is not so many times as fast as curl's with TLS.",
            valueName: "ratio"))
    var atLeast: Double?

    static let otherSubjects = ["handshakes", "calls", "first-byte", "idle-connections"]
    static let fileSize = 4096

    func validate() throws {
        guard (1...1 << 20).contains(size), (1...1_000_000).contains(files), (1...1000).contains(rounds) else {
            throw ValidationError("--size: 1 to 1048576; --files: 1 to 1000000; --rounds: 1 to 1000")
        }
        let known = CopyJob.allCases.map(\.rawValue) + Self.otherSubjects
        for name in wanted ?? [] where !known.contains(name) {
            throw ValidationError("--only: '\(name)' is none of \(known.joined(separator: ", "))")
        }
    }

    private var wanted: [String]? { only?.split(separator: ",").map(String.init) }
    private func wants(_ subject: String) -> Bool { wanted?.contains(subject) ?? true }

    func run() async throws {
        let needed = 2 * (size << 20) + 3 * files * (Self.fileSize + 1024) + (100 << 20)
        let workspace = try Workspace(in: common.place, needed: needed)
        defer { workspace.end() }
        let site = try XferSite(workspace, layer: recordLayer)
        defer { site.stop() }
        let nginx = try Nginx(workspace)
        defer { nginx.stop() }
        let shell = try SecureShell(workspace)
        defer { shell.stop() }
        let tunnel = try RsyncTunnel(workspace)
        defer { tunnel.stop() }

        var section = Results.Section(
            settings: [
                "rounds": "\(rounds)", "size": "\(size) MiB", "files": "\(files) of \(Self.fileSize) bytes",
                "cipher": cipherSuite, "ssh cipher": shell.standardCipher, "record layer": recordLayer,
                "place": common.place, "xfer options": options ?? "",
            ], versions: Versions.all())
        let flags = ["--record-layer", recordLayer] + (options.map { ["-o", $0] } ?? [])
        let xfer = Xfer(site, flags: flags)
        let chosen = peers.map { Set($0.split(separator: ",").map(String.init)) }
        let others: [any Peer] = [
            Curl(nginx, secure: true), Curl(nginx, secure: false), tunnel, SecureCopy(shell, cipher: nil),
            SecureCopy(shell, cipher: SecureShell.fastCipher), RsyncShell(shell, cipher: nil),
            RsyncShell(shell, cipher: SecureShell.fastCipher), LocalCopy(workspace),
        ]
        let all: [any Peer] =
            [xfer, Xfer(site, name: "xfer-a", label: "xfer -a", archive: true, flags: flags)]
            + others.filter { chosen?.contains($0.name) ?? true }
        try copies(workspace, all, &section)
        if let protection = xfer.protection { section.settings["xfer"] = protection }
        try await rest(site, nginx, shell, &section)
        section.targets = Targets.peers(section)
        if let atLeast, let curl = section.find("fetch-large", "curl-tls"),
            let ours = section.find("fetch-large", "xfer")
        {
            section.targets.append(
                Target("--at-least: curl and nginx with TLS", atLeast: atLeast, Statistics.ratio(curl, to: ours)))
        }
        try common.finish(section, as: "peers")
        if atLeast != nil, section.targets.last?.isMet == false { throw ExitCode(1) }
    }

    private func copies(_ workspace: Workspace, _ peers: [any Peer], _ section: inout Results.Section) throws {
        for isTree in [false, true] {
            let jobs = CopyJob.allCases.filter { $0.isTree == isTree && wants($0.rawValue) }
            if jobs.isEmpty { continue }
            let bytes = isTree ? files * Self.fileSize : size << 20
            let source = workspace.path("served/\(isTree ? "tree" : "file")")
            if isTree {
                try Content.tree(source, files: files, size: Self.fileSize)
            } else {
                try Content.file(source, size: bytes)
            }
            let copies = Copies(workspace: workspace, rounds: rounds, bytes: bytes, files: files)
            for job in jobs {
                // The first touch of a virtual machine's memory is its host's time, and nobody's.
                _ = try copies.measure(job, LocalCopy(workspace))
                section.measurements += try copies.run(job, peers)
                try workspace.remove("\(job.target)/\(job.name)")
            }
            try workspace.remove("served/\(isTree ? "tree" : "file")")
        }
    }

    private func rest(
        _ site: XferSite, _ nginx: Nginx, _ shell: SecureShell, _ section: inout Results.Section
    ) async throws {
        if wants("handshakes") {
            section.measurements += try Handshakes(site: site, nginx: nginx, rounds: rounds).run()
        }
        if wants("calls") {
            section.measurements += try await Calls(site: site, nginx: nginx, rounds: rounds).run()
        }
        if wants("first-byte") {
            section.measurements += try FirstByte(site: site, nginx: nginx, shell: shell, rounds: rounds).run()
        }
        if wants("idle-connections") {
            section.measurements.append(try IdleConnections(site: site).run())
        }
    }
}
