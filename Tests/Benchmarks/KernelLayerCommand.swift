import ArgumentParser
import Glibc
import TestSupport

/// `bench ktls`
struct KernelLayer: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ktls",
        abstract: "Kernel TLS: beside nginx's, and what user space still does.",
        discussion: """
            For a kernel with kernel TLS. In the lab (Tests/Lab/ktls-lab) its ciphers are generic C, while user space has \
            the processor's AES instructions. So like is compared with like: a server whose kernel seals and a client that \
            opens in user space, on either side. The kernel layer at both ends is reported beside it, with the processor \
            time that user space needs for each GB.
            """)

    @OptionGroup var common: CommonOptions

    @Option(help: ArgumentHelp("Of the file.", valueName: "MiB"))
    var size = 512
    @Option(help: "How often.")
    var rounds = 5

    /// A file beside which only the size is another: what remains is what each copy costs, whatever its size.
    private static let smallSize = 4096

    func validate() throws {
        guard (1...1 << 20).contains(size), (1...1000).contains(rounds) else {
            throw ValidationError("--size: 1 to 1048576; --rounds: 1 to 1000")
        }
    }

    func run() throws {
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
        try section.checkKernelSends("nginx") {
            _ = try Copies(workspace: workspace, rounds: 1, bytes: bytes, files: 1).measure(.fetchLarge, curl)
        }
        try section.checkKernelSends("xferd") {
            _ = try Copies(workspace: workspace, rounds: 1, bytes: bytes, files: 1).measure(.fetchLarge, mixed)
        }
        let copies = Copies(workspace: workspace, rounds: rounds, bytes: bytes, files: 1)
        section.measurements += try copies.run(.fetchLarge, [mixed, curl, kernel])
        section.measurements += try copies.run(.pushLarge, [kernel])
        try Content.file(workspace.path("served/file"), size: Self.smallSize)
        let small = Copies(workspace: workspace, rounds: rounds, bytes: Self.smallSize, files: 1)
        for job in [CopyJob.fetchLarge, .pushLarge] {
            guard let large = section.find(job.rawValue, kernel.name),
                let fixed = try small.run(job, [kernel]).first
            else { continue }
            let cost = (Self.userSeconds(large) - Self.userSeconds(fixed)) / (Double(bytes - Self.smallSize) / 1e9)
            let what = job.isPush ? "push" : "fetch"
            section.targets.append(
                Target("\(what), kernel at both ends: user space for each GB", atMost: 0.05, cost, unit: "s"))
            section.notes.append(
                "\(what), kernel layer at both ends: a copy of \(Self.smallSize) bytes takes "
                    + "\(Progress.fixed(Self.userSeconds(fixed), 3)) s of user space (starting programs, the handshake, "
                    + "certificates), one of \(size) MiB \(Progress.fixed(Self.userSeconds(large), 3)) s; a GB takes the "
                    + "difference, by the gigabyte.")
        }
        if let ours = section.find("fetch-large", "xfer"), let theirs = section.find("fetch-large", "curl-tls") {
            section.targets.insert(
                Target("nginx's kernel TLS with curl", atLeast: 1.1, Statistics.ratio(theirs, to: ours)), at: 0)
        }
        try common.finish(section, as: "ktls")
    }

    /// The mean over the rounds: a tick of the clock is 10 ms, more than some rounds have.
    private static func userSeconds(_ measurement: Measurement) -> Double {
        let all = measurement.samples.map { ($0.client?.user ?? 0) + ($0.server?.user ?? 0) }
        return all.reduce(0, +) / Double(max(1, all.count))
    }
}

extension Results.Section {
    /// Runs `body`, in which the kernel must have begun to send records for somebody.
    mutating func checkKernelSends(_ who: String, _ body: () throws -> Void) throws {
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
