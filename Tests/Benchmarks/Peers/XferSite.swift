import Glibc
import TestSupport

/// tlssd and xferd, and a tlscd for the measurements that do not start one.
final class XferSite {
    let workspace: Workspace
    let tlssd: Service
    let xferd: Service
    let port: UInt16
    private var runningDaemon: Service?

    /// Without TLS, which is refused otherwise.
    let isCleartext: Bool

    /// - Parameters:
    ///   - layer: who makes the records in xferd: `auto`, `kernel`, `user`.
    ///   - isCleartext: whether it serves without TLS.
    init(_ workspace: Workspace, layer: String, isCleartext: Bool = false) throws {
        self.workspace = workspace
        self.isCleartext = isCleartext
        let socket = workspace.path("tlssd-\(layer).sock")
        tlssd = try Service([
            Programs.path("tlssd"), "--socket", socket, "--cert", workspace.serverCertificate, "--key",
            workspace.serverKey, "--ca", workspace.anchors,
        ])
        try tlssd.program.logged("ready")
        let options = "no_root_squash" + (isCleartext ? ",xprtsec=none" : "")
        xferd = try Service([
            Programs.path("xferd"), "--export", "/served=\(workspace.path("served")),ro,\(options)",
            "--export", "/drop=\(workspace.path("drop")),rw,\(options)",
            "--listen", "127.0.0.1:0", "--tlssd", socket, "--record-layer", layer, "--announce",
        ])
        guard let port = UInt16(try xferd.program.line()) else {
            throw Unexpected("xferd announced no port: \(xferd.program.output)")
        }
        self.port = port
    }

    var servers: [pid_t] { [tlssd.process, xferd.process] }

    /// `-o` of an xfer that starts a tlscd of its own.
    func options(port: UInt16? = nil) -> String {
        if isCleartext { return "port=\(port ?? self.port),xprtsec=none" }
        let files = "cafile=\(workspace.anchors),cert=\(workspace.clientCertificate),key=\(workspace.clientKey)"
        return "port=\(port ?? self.port),\(files)"
    }

    /// The socket of a tlscd that runs from now on.
    func daemon() throws -> String {
        let socket = workspace.path("tlscd.sock")
        if runningDaemon == nil {
            let tlscd = try Service([
                Programs.path("tlscd"), "--socket", socket, "--cert", workspace.clientCertificate, "--key",
                workspace.clientKey, "--ca", workspace.anchors,
            ])
            try tlscd.program.logged("ready")
            runningDaemon = tlscd
        }
        return socket
    }

    /// The process of that.
    var daemonProcess: pid_t? { runningDaemon?.process }

    func stop() {
        for service in [runningDaemon, xferd, tlssd].compactMap({ $0 }) { service.stop() }
        runningDaemon = nil
    }
}
