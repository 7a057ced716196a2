import Glibc
import TestSupport

/// xfer, with a tlscd that it starts for each copy, from xferd.
final class Xfer: Peer {
    let name: String
    let label: String
    let kept: TreeComparison.Aspects
    private let site: XferSite
    private let flags: [String]
    private let port: UInt16?
    private let treeFlag: String
    /// The record layer that it must have used; nil: any.
    private let layer: String?
    /// What it said about its protection at last.
    private(set) var protection: String?

    /// - Parameters:
    ///   - archive: keeps modes, times and links, as `rsync -a` does.
    ///   - flags: more of xfer's options.
    ///   - port: of a relay before xferd; nil: xferd's own.
    init(
        _ site: XferSite, name: String = "xfer", label: String = "xfer", archive: Bool = false, layer: String? = nil,
        flags: [String] = [], port: UInt16? = nil
    ) {
        self.port = port
        (self.site, self.name, self.label, self.layer) = (site, name, label, layer)
        kept = archive ? [.modes, .times] : []
        treeFlag = archive ? "-a" : "-r"
        self.flags = flags
    }

    var servers: [pid_t] { site.servers }

    func command(_ job: CopyJob) -> [String]? {
        // Of one file it is the same.
        if !kept.isEmpty && !job.isTree { return nil }
        let workspace = site.workspace
        let flags = (job.isTree ? [treeFlag] : []) + ["-v", "-o", site.options(port: port)] + flags
        return job.isPush
            ? [Programs.path("xfer"), "put"] + flags
                + [workspace.path("served/\(job.name)"), "127.0.0.1:/drop/\(job.name)"]
            : [Programs.path("xfer"), "get"] + flags
                + ["127.0.0.1:/served/\(job.name)", workspace.path("copy/\(job.name)")]
    }

    func check(errors: String) throws {
        let line = errors.split(separator: "\n").first { $0.hasPrefix("protection: ") }
        protection = line.map(String.init)
        guard let line, line.contains(cipherSuite) else { throw Unexpected("xfer: not \(cipherSuite): \(errors)") }
        if let layer, !line.contains("record layer \(layer)") { throw Unexpected("xfer: not \(layer): \(line)") }
    }
}
