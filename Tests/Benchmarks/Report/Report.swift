import Foundation
import TestSupport

/// `report.html`: what was measured, to look at. One file that needs no other.
struct Report {
    private let results: Results

    init(_ results: Results) { self.results = results }

    func write(to directory: String) throws {
        let gnuplot = Gnuplot(directory: directory + "/plots")
        var parts: [String] = []
        if let peers = results.sections["peers"] { parts += try self.peers(peers, gnuplot) }
        if let steps = results.sections["steps"] { parts += try self.steps(steps, gnuplot) }
        if let kernel = results.sections["ktls"] { parts += try self.kernelLayer(kernel, gnuplot) }
        if let growth = results.sections["growth"] {
            parts += try GrowthPart(section: growth, gnuplot: gnuplot).parts()
        }
        let page = Page(title: "How fast xfer is", parts: parts)
        try page.text.write(toFile: directory + "/report.html", atomically: true, encoding: .utf8)
    }

    // MARK: - Beside others

    private static let subjects: [(subject: String, title: String, text: String)] = [
        ("fetch-large", "Fetch one large file", ""),
        ("push-large", "Push one large file", ""),
        (
            "fetch-small", "Fetch small files",
            "<code>xfer -a</code> and rsync keep modes and times, the others nothing."
        ),
        ("push-small", "Push small files", "<code>xfer -a</code> and rsync keep modes and times, the others nothing."),
        (
            "first-byte", "Until the first byte of a small file",
            "From the start of the program, the handshake included. Less is better."
        ),
        (
            "handshakes", "Handshakes, one after the other",
            "New connections with a certificate at each end. Ours have an upcall to a daemon at either end."
        ),
        ("handshakes-parallel", "Handshakes, \(Handshakes.parallel) clients at once", ""),
        ("calls-null", "Calls, one at a time", "Over one connection."),
    ]

    private func peers(_ section: Results.Section, _ gnuplot: Gnuplot) throws -> [String] {
        var parts = [Page.tiles(tiles(section)), Page.machine(section)]
        for (subject, title, text) in Self.subjects {
            guard let bars = Bars(subject, section) else { continue }
            let of = section.measurements.filter { $0.subject == subject }
            parts.append(
                Page.chapter(
                    title + Self.work(of), text, try bars.draw("peers-\(subject)", gnuplot), Page.table(of)))
        }
        let rest = section.measurements.filter { one in !Self.subjects.contains { $0.subject == one.subject } }
        if !rest.isEmpty { parts.append(Page.chapter("Besides", "", "", Page.table(rest, isOpen: true))) }
        let memory = section.measurements.reduce(into: [String: Int]()) { $0.merge($1.peaks) { max($0, $1) } }
        if !memory.isEmpty { parts.append(Page.memory(memory)) }
        if !section.targets.isEmpty { parts.append(Page.targets(section.targets)) }
        return parts
    }

    // MARK: - Kernel TLS

    private func kernelLayer(_ section: Results.Section, _ gnuplot: Gnuplot) throws -> [String] {
        var parts = [
            Page.heading("Where the kernel has TLS"),
            "<p>\(Page.escaped(section.machine.system))\(section.machine.isLab ? ", user-mode: a kernel as a process" : ""), "
                + "\(section.machine.processors) processor. The lab's kernel ciphers are generic C, user space has AES "
                + "instructions: only the first two are alike.</p>",
        ]
        for (subject, title) in [("fetch-large", "Fetch, kernel TLS"), ("push-large", "Push, kernel TLS")] {
            guard let bars = Bars(subject, section) else { continue }
            let of = section.measurements.filter { $0.subject == subject }
            parts.append(
                Page.chapter(
                    title + Self.work(of), "", try bars.draw("ktls-\(subject)", gnuplot, places: 3), Page.table(of)))
        }
        parts.append(Page.targets(section.targets))
        parts.append(Page.notes(section.notes))
        return parts
    }

    private static func work(_ of: [Measurement]) -> String {
        guard let first = of.first, let bytes = first.bytes else { return "" }
        if let files = first.files { return ": \(Progress.number(Double(files))) of \(bytes / max(1, files)) bytes" }
        return ": " + Page.size(bytes)
    }

    /// What a person remembers.
    private func tiles(_ section: Results.Section) -> [(value: String, text: String)] {
        let wanted: [(CopyJob, String, String)] = [
            (.fetchLarge, "curl-tls", "as fast as curl from nginx with TLS, fetching a large file"),
            (.fetchLarge, "scp", "as fast as scp, fetching a large file"),
            (.pushLarge, "rsync-tls", "as fast as rsync over TLS, pushing a large file"),
            (.fetchSmall, "rsync-tls", "as fast as rsync over TLS, fetching small files"),
        ]
        return wanted.compactMap { job, peer, text in
            guard let theirs = section.find(job.rawValue, peer),
                let ours = section.find(job.rawValue, job.isTree ? "xfer-a" : "xfer")
            else { return nil }
            return (Progress.fixed(Statistics.ratio(theirs, to: ours), 2) + "×", text)
        }
    }
}
