/// What the project holds itself to beside its peers.
enum Targets {
    /// Of those that were measured. Where a peer has several ways, the fastest counts.
    static func peers(_ section: Results.Section) -> [Target] {
        var targets: [Target] = []
        func add(_ subject: CopyJob, _ ours: String, _ wanted: Double, _ peers: [String], _ what: String) {
            guard let mine = section.find(subject.rawValue, ours),
                let best = peers.compactMap({ section.find(subject.rawValue, $0) }).min(by: { $0.median < $1.median })
            else { return }
            targets.append(Target(what, atLeast: wanted, Statistics.ratio(best, to: mine)))
        }
        add(.fetchLarge, "xfer", 1.8, ["curl-tls"], "fetch of a large file: curl and nginx with TLS")
        add(.fetchLarge, "xfer", 1, ["curl-plain"], "fetch of a large file: curl and nginx without TLS")
        add(.fetchLarge, "xfer", 2.5, ["scp", "scp-aes"], "fetch of a large file: scp")
        add(.fetchLarge, "xfer", 2.5, ["rsync-tls"], "fetch of a large file: rsync over TLS")
        add(.pushLarge, "xfer", 1.8, ["rsync-tls"], "push of a large file: rsync over TLS")
        add(.pushLarge, "xfer", 3, ["rsync-ssh", "rsync-ssh-aes"], "push of a large file: rsync over ssh")
        add(.fetchSmall, "xfer-a", 1.5, ["rsync-tls"], "fetch of small files: rsync -a over TLS")
        add(.pushSmall, "xfer-a", 1.5, ["rsync-tls"], "push of small files: rsync -a over TLS")
        var peaks: [String: Int] = [:]
        for measurement in section.measurements { peaks.merge(measurement.peaks) { max($0, $1) } }
        for program in ["xfer", "tlscd", "xferd", "tlssd"] {
            guard let peak = peaks[program] else { continue }
            targets.append(
                Target("largest resident set of \(program)", atMost: 64, Double(peak) / Double(1 << 20), unit: "MiB"))
        }
        if let idle = section.find("idle-connection", "xfer") {
            targets.append(Target("an idle connection's memory", atMost: 20, idle.median / 1024, unit: "KiB"))
        }
        return targets
    }
}
