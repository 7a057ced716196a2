import Glibc
import TestSupport
import Testing

/// On a kernel with TLS no payload byte enters user space, by the kernel's own testimony.
@Suite(.serialized, .enabled(if: Layer.hasKernel, "a kernel without TLS; not in the kTLS lab"))
struct ZeroCopyTests {
    private static let size = 64 << 20

    @Test(arguments: ["get", "put"]) func payloadMovesBySendfileAndSpliceAlone(command: String) throws {
        try #require(access("/usr/bin/strace", X_OK) == 0, "strace is needed")
        try withSite(.kernel) { site in
            let sent = pattern(Self.size)
            try write(sent, to: (command == "get" ? site.data : site.local) + "/big")
            let before = try Counters()
            let trace = site.directory.path + "/trace"
            // xferd runs already: strace joins it, and starts xfer.
            let server = try RunningProgram(
                [
                    "strace", "-f", "-y", "-e", "signal=none", "-e", "trace=\(Call.traced)", "-s", "0", "-o",
                    trace + ".server",
                    "-p", "\(site.xferd.process)",
                ])
            try server.logged("attached")
            let arguments = command == "get" ? ["localhost:/data/big", "copy"] : ["big", "localhost:/data/copy"]
            let ended = try RunningProgram(
                [
                    "strace", "-f", "-y", "-e", "signal=none", "-e", "trace=\(Call.traced)", "-s", "0", "-o",
                    trace + ".client",
                    Programs.path("xfer"), command, "--record-layer", "kernel", "-o",
                    "port=\(site.port),\(site.credentials)",
                ] + arguments, directory: site.local
            ).wait(seconds: 240)
            expectDone(ended)
            server.signal(SIGINT)
            _ = try server.wait()
            expectFile((command == "get" ? site.local : site.data) + "/copy", sent)
            let after = try Counters()
            #expect(after.sending >= before.sending + 2, "both ends send by the kernel's TLS: TlsTxSw")
            #expect(after.receiving >= before.receiving + 2, "both ends receive by the kernel's TLS: TlsRxSw")

            var sendfile = 0
            var splice = 0
            for end in ["client", "server"] {
                let calls = Call.all(in: contents(of: "\(trace).\(end)"))
                #expect(!calls.isEmpty, "\(end): nothing was traced")
                var copied = 0
                for call in calls {
                    switch call.name {
                    case "sendfile": sendfile += call.count
                    case "splice": splice += call.count
                    default:
                        guard call.isOnConnection else { continue }
                        #expect(call.count <= 4096, "\(end): \(call.line)")
                        copied += call.count
                    }
                }
                // Headers of 64 calls of 1 MiB, and what the handshake has.
                #expect(copied < 256 << 10, "\(end): \(copied) bytes through user space")
                // Nor does it by way of the file: but for what came along with the first header.
                let throughFile = calls.filter { $0.isOnFile("big") || $0.isOnFile("copy") || $0.isOnFile(".xfer") }
                    .filter { !["sendfile", "splice"].contains($0.name) }.map(\.count).reduce(0, +)
                #expect(throughFile <= 4096, "\(end): \(throughFile) bytes of the file through user space")
            }
            #expect(sendfile >= Self.size, "sendfile moved \(sendfile) bytes")
            // From the socket into a pipe, and from that into the file
            #expect(splice >= 2 * (Self.size - 4096), "splice moved \(splice) bytes")
        }
    }

    /// /proc/net/tls_stat: sessions begun with software crypto, in each direction.
    private struct Counters {
        let sending: Int
        let receiving: Int

        init() throws {
            let text = contents(of: "/proc/net/tls_stat")
            func value(_ name: String) throws -> Int {
                for line in text.split(separator: "\n") {
                    let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" })
                    if words.first == name[...], let value = words.last.flatMap({ Int($0) }) { return value }
                }
                throw Unexpected("/proc/net/tls_stat has no \(name)")
            }
            sending = try value("TlsTxSw")
            receiving = try value("TlsRxSw")
        }
    }

    /// One call of strace's log.
    private struct Call {
        /// Everything that can move bytes.
        static let traced =
            "read,readv,pread64,preadv,preadv2,write,writev,pwrite64,pwritev,pwritev2,recvfrom,recvmsg,recvmmsg,sendto,"
            + "sendmsg,sendmmsg,sendfile,splice,copy_file_range,vmsplice,tee"

        static func all(in log: String) -> [Call] {
            // A call that another thread's came into is in two pieces: `7 read(5<x>,  <unfinished ...>` and
            // `7 <... read resumed>"", 4) = 4`.
            var begun: [Substring: String] = [:]
            return log.split(separator: "\n").compactMap { line -> Call? in
                let thread = line.prefix { $0 != " " }
                if let end = line.ranges(of: "<unfinished ...>").last {
                    begun[thread] = String(line[..<end.lowerBound])
                    return nil
                }
                if line.contains("<... "), let resumed = line.ranges(of: " resumed>").first {
                    guard let beginning = begun.removeValue(forKey: thread) else { return nil }
                    return Call(beginning + String(line[resumed.upperBound...]))
                }
                return Call(String(line))
            }
        }

        let line: String
        let name: String
        /// What it returned, in bytes.
        let count: Int
        private let descriptors: [Substring]

        /// - Parameter line: one whose result strace may have moved to the right, like `7 read(5<socket:[77]>, ""..., 4096) = 4096`.
        private init?(_ line: String) {
            self.line = line
            guard let equals = line.ranges(of: " = ").last, let open = line.firstIndex(of: "(") else { return nil }
            let value = line[equals.upperBound...].prefix { $0.isNumber }
            guard let count = Int(value) else { return nil }
            self.count = count
            name = String(line[..<open].split(separator: " ").last ?? "")
            descriptors = line[open...].split(separator: ",").filter { $0.contains("<") }
        }

        /// TCP, whatever this strace calls it; the daemons' sockets are AF_LOCAL ones of few bytes, which count as well.
        var isOnConnection: Bool { descriptors.contains { $0.contains("<socket:[") || $0.contains("<TCP") } }

        func isOnFile(_ part: String) -> Bool {
            descriptors.contains { $0.contains("/") && $0.contains(part) && !$0.contains("xferd") }
        }
    }
}
