import Certificates
import Glibc
import TestSupport
import Testing

/// The server or a handshake daemon is killed in the middle of a copy: `hard`, `soft` and `--timeout`.
@Suite(.serialized) struct LostServerTests {
    /// A server of its own that can be killed and started again on its port, with a client's tlscd.
    private final class Server {
        let site: Site
        private(set) var xferd: RunningProgram
        private(set) var tlssd: RunningProgram
        private(set) var tlscd: RunningProgram
        private(set) var port: UInt16 = 0

        init(_ site: Site) throws {
            self.site = site
            mkdir(site.directory.path + "/state", 0o700)
            tlssd = try Self.startTLSSD(site)
            tlscd = try Self.startTLSCD(site)
            (xferd, port) = try Self.startXferd(site, 0)
        }

        private static func startXferd(_ site: Site, _ port: UInt16) throws -> (RunningProgram, UInt16) {
            let path = site.directory.path
            let program = try RunningProgram([
                Programs.path("xferd"), "--export", "/data=\(path)/data,rw,no_root_squash", "--listen",
                "127.0.0.1:\(port)", "--tlssd", path + "/own-tlssd.sock", "--record-layer", site.layer.rawValue,
                "--state", path + "/state", "--announce",
            ])
            guard let port = UInt16(try program.line()) else { throw Unexpected("no port: \(program.output)") }
            return (program, port)
        }

        private static func startTLSSD(_ site: Site) throws -> RunningProgram {
            let program = try RunningProgram([
                Programs.path("tlssd"), "--socket", site.directory.path + "/own-tlssd.sock", "--cert",
                site.server.certificateFile, "--key", site.server.keyFile, "--ca", site.pki.certificateFile,
            ])
            try program.logged("ready")
            return program
        }

        private static func startTLSCD(_ site: Site) throws -> RunningProgram {
            let program = try RunningProgram([
                Programs.path("tlscd"), "--socket", site.directory.path + "/own-tlscd.sock", "--cert",
                site.client.certificateFile, "--key", site.client.keyFile, "--ca", site.pki.certificateFile,
            ])
            try program.logged("ready")
            return program
        }

        private func kill(_ program: RunningProgram) throws {
            program.signal(SIGKILL)
            #expect(try program.wait().status == 128 + SIGKILL)
        }

        func killXferd() throws { try kill(xferd) }
        func killTLSSD() throws { try kill(tlssd) }
        func killTLSCD() throws { try kill(tlscd) }
        func restartXferd() throws { (xferd, port) = try Self.startXferd(site, port) }
        func restartTLSSD() throws { tlssd = try Self.startTLSSD(site) }
        func restartTLSCD() throws { tlscd = try Self.startTLSCD(site) }

        func stop() {
            for program in [xferd, tlssd, tlscd] { _ = try? program.stop() }
        }
    }

    private func withServer(_ layer: Layer, _ body: (Server) throws -> Void) throws {
        try withSite(layer) { site in
            let server = try Server(site)
            defer { server.stop() }
            try body(server)
        }
    }

    enum Command: String, CaseIterable { case get, put }

    private static let size = Layer.isLab ? 32 << 20 : 128 << 20

    /// A copy of a file of random bytes that is under way; what is watched is the directory it goes to.
    private func start(_ command: Command, _ server: Server, _ more: String...) throws -> RunningProgram {
        let site = server.site
        let source = (command == .get ? site.data : site.local) + "/big"
        expectDone(try RunningProgram(["sh", "-c", "head -c \(Self.size) /dev/urandom > \(source)"]).wait())
        let places = command == .get ? ["localhost:/data/big", "copy"] : ["big", "localhost:/data/copy"]
        let program = try site.start(
            command.rawValue, more + places, options: "tlscd=\(site.directory.path)/own-tlscd.sock", port: server.port)
        try underWay(command == .get ? site.local : site.data, beyond: 2 << 20, program)
        return program
    }

    private func expectCopied(_ command: Command, _ site: Site, _ ended: Ended) throws {
        expectDone(ended)
        let (source, copy) =
            command == .get ? (site.data + "/big", site.local + "/copy") : (site.local + "/big", site.data + "/copy")
        expectDone(try RunningProgram(["cmp", source, copy]).wait())
        for directory in [site.data, site.local] {
            #expect(names(in: directory).filter { $0.hasSuffix(".xfer") } == [])
        }
    }

    /// So often the two lines were said.
    private func expectSaid(_ ended: Ended, lost: Int, again: Int) {
        #expect(ended.error.ranges(of: "the connection to localhost was lost (").count == lost, "\(ended)")
        #expect(ended.error.ranges(of: "connected to localhost again\n").count == again, "\(ended)")
    }

    @Test(.notInTheLab, arguments: Command.allCases, ["hard", "soft,retrans=9"])
    func theServerIsStartedAgain(command: Command, options: String) throws {
        try withServer(.user) { server in
            let copy = try start(command, server, "-o", options)
            try server.killXferd()
            try copy.logged("was lost")
            try server.restartXferd()
            let ended = try copy.wait()
            try expectCopied(command, server.site, ended)
            expectSaid(ended, lost: 1, again: 1)
        }
    }

    /// Sessions outlive their daemons; new ones wait for them.
    @Test(.notInTheLab, arguments: Command.allCases, ["hard", "soft,retrans=9"])
    func theDaemonsAreStartedAgain(command: Command, options: String) throws {
        try withServer(.user) { server in
            let copy = try start(command, server, "-o", options)
            try server.killTLSSD()
            try server.killTLSCD()
            try server.killXferd()
            try copy.logged("was lost")
            try server.restartXferd()
            try server.restartTLSSD()
            try server.restartTLSCD()
            let ended = try copy.wait()
            try expectCopied(command, server.site, ended)
            expectSaid(ended, lost: 1, again: 1)
        }
    }

    @Test(arguments: Command.allCases, Layer.available) func onlyTheDaemonsAreGone(command: Command, layer: Layer)
        throws
    {
        try withServer(layer) { server in
            let copy = try start(command, server)
            try server.killTLSSD()
            try server.killTLSCD()
            let ended = try copy.wait()
            try expectCopied(command, server.site, ended)
            expectSaid(ended, lost: 0, again: 0)
        }
    }

    @Test(.notInTheLab, arguments: Command.allCases, [["--timeout", "2"], ["-o", "soft,retrans=1"]])
    func theServerStaysAway(command: Command, options: [String]) throws {
        try withServer(.user) { server in
            let target = command == .get ? server.site.local : server.site.data
            try write("old", to: target + "/copy")
            let copy = try start(command, server, options[0], options[1])
            try server.killXferd()
            let ended = try copy.wait()
            expectFailure(
                ended, "the connection to localhost was lost",
                options[0] == "--timeout" ? ", and not had again in 2 s: " : "giving up after 10 min")
            expectSaid(ended, lost: 1, again: 0)
            #expect(contents(of: target + "/copy") == "old")
            // What there is of it is kept for the next run, if it is enough; on a server that is gone nothing can be
            // taken back.
            let kept = names(in: target).filter { $0 != "copy" }
            #expect(kept.allSatisfy { $0.hasPrefix(".copy.") && $0.hasSuffix(".xfer") } && kept.count <= 1)
            if command == .get { #expect(ended.error.contains("1 unfinished file is kept") == (kept.count == 1)) }
        }
    }

    /// A thousand files do not wait one after the other.
    @Test(.notInTheLab) func theRestOfATreeIsNotTriedOn() throws {
        try withServer(.user) { server in
            let site = server.site
            mkdir(site.local + "/tree", 0o755)
            for index in 0..<300 { try write("x", to: "\(site.local)/tree/f\(index)") }
            try sparse(site.local + "/tree/big", 1 << 30)
            let put = try site.start(
                "put", ["-r", "--timeout", "1", "--jobs", "1", "tree", "localhost:/data"],
                options: "tlscd=\(site.directory.path)/own-tlscd.sock", port: server.port)
            try underWay(site.data + "/tree", beyond: 1 << 20, put)
            try server.killXferd()
            let ended = try put.wait()
            #expect(ended.status == 1 || ended.status == 3, "\(ended.status)")
            expectSaid(ended, lost: 1, again: 0)
        }
    }

    @Test(.notInTheLab, arguments: ["-1", "x", "1e10"]) func timesThatAreNone(seconds: String) throws {
        expectFailure(
            try RunningProgram([Programs.path("xfer"), "ls", "--timeout=\(seconds)", "h:/x"]).wait(), status: 2,
            "timeout")
    }
}
