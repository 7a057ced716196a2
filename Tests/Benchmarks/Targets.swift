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

    /// Flat: what a GB and a file cost must not grow with how many there are.
    static func growth(_ section: Results.Section) -> [Target] {
        var targets: [Target] = []
        for job in CopyJob.allCases {
            let points = section.measurements.filter {
                $0.subject == "growth-\(job.rawValue)" && $0.peer.hasPrefix("xfer")
            }
            // Below that, starting programs is most of it.
            let floor = job.isTree ? 1000.0 : 128e6
            let costs = points.filter { ($0.x ?? 0) >= floor }.compactMap(\.cost)
            guard let first = costs.first, let last = costs.last, costs.count > 1 else { continue }
            let what = "\(job.isPush ? "push" : "fetch"): \(job.isTree ? "a file" : "a GB") of the largest"
            targets.append(Target("\(what), beside one of the smaller", atMost: 1.5, last / first, unit: "x"))
        }
        for direction in ["fetch", "push"] {
            for x in [1.0, 20, 100] {
                func at(_ peer: String) -> Measurement? {
                    section.measurements.first {
                        $0.subject == "growth-delay-\(direction)-large" && $0.peer == peer && $0.x == x
                    }
                }
                guard let ours = at("xfer"), let theirs = at("curl-tls") else { continue }
                targets.append(
                    Target(
                        "\(direction) over a round trip of \(Int(x)) ms: curl and nginx with TLS", atLeast: 1,
                        Statistics.ratio(theirs, to: ours)))
            }
        }
        return targets
    }
}
