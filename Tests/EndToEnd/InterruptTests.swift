import Glibc
import TestSupport
import Testing

/// Ctrl-C and what changes in the middle of a transfer: nothing half done has a name, and nothing temporary stays but what
/// the next run goes on with.
@Suite struct InterruptTests {
    @Test(arguments: Layer.available, [SIGINT, SIGTERM]) func aPutThatIsInterrupted(layer: Layer, signal: Int32) throws
    {
        try withSite(layer) { site in
            try sparse(site.local + "/big", 2 << 30)
            try write("old", to: site.data + "/there")
            let put = try site.start("put", ["big", "localhost:/data/there"])
            // More than the calls in flight carry: what is not answered yet does not count as there.
            try underWay(site.data, beyond: 64 << 20, put)
            put.signal(signal)
            let ended = try put.wait(seconds: 30)
            expectFailure(ended, status: 130, "interrupted", "1 unfinished file is kept", "run the same command again")
            #expect(names(in: site.data).filter { !$0.hasSuffix(".xfer") } == ["there"])
            #expect(names(in: site.data).count == 2)
            #expect(contents(of: site.data + "/there") == "old")
        }
    }

    @Test(arguments: Layer.available, [SIGINT, SIGTERM]) func aGetThatIsInterrupted(layer: Layer, signal: Int32) throws
    {
        try withSite(layer) { site in
            try sparse(site.data + "/big", 2 << 30)
            let get = try site.start("get", ["localhost:/data/big", "new"])
            try underWay(site.local, beyond: 64 << 20, get)
            get.signal(signal)
            expectFailure(
                try get.wait(seconds: 30), status: 130, "interrupted", "1 unfinished file is kept",
                "run the same command again")
            #expect(names(in: site.local).filter { !$0.hasSuffix(".xfer") } == [])
            #expect(names(in: site.local).count == 1)
            // The server is free again at once.
            expectDone(try site.xfer("ls", "localhost:/data"))
        }
    }

    @Test(arguments: Layer.available) func aTreeThatIsInterrupted(layer: Layer) throws {
        try withSite(layer) { site in
            mkdir(site.local + "/tree", 0o755)
            for index in 0..<4 { try sparse("\(site.local)/tree/f\(index)", 512 << 20) }
            let put = try site.start("put", ["-r", "tree", "localhost:/data"])
            // More than can be under way without an answer: a file of which nothing was confirmed is not kept
            try underWay(site.data + "/tree", beyond: 64 << 20, put)
            put.signal(SIGINT)
            let ended = try put.wait(seconds: 30)
            expectFailure(ended, status: 130, "interrupted", "kept")
            let left = names(in: site.data + "/tree")
            #expect(left.allSatisfy { $0.hasSuffix(".xfer") } && !left.isEmpty)
            #expect(
                ended.error.contains(left.count == 1 ? "1 unfinished file is" : "\(left.count) unfinished files are"))
        }
    }

    /// Calls that are not answered are not waited for, and what was begun is taken back on another connection.
    @Test(arguments: Layer.available, ["put", "get"]) func aTransferThatHangsIsInterrupted(
        layer: Layer, command: String
    ) throws {
        try withSite(layer) { site in
            let relay = try Relay(
                to: site.port, holding: command == "put" ? .toServer : .toClient, allowing: 400 << 10)
            defer { relay.stop() }
            let (source, target) = command == "put" ? (site.local, site.data) : (site.data, site.local)
            // Too small to be kept, in several calls.
            try write(pattern(1_000_000), to: source + "/big")
            let pieces = ",rsize=65536,wsize=65536"
            let places = command == "put" ? ["big", "localhost:/data"] : ["localhost:/data/big", "."]
            let copy = try site.start(command, places, options: site.credentials + pieces, port: relay.port)
            try underWay(target, beyond: 0, copy)
            relay.letNewConnectionsThrough()
            copy.signal(SIGINT)
            let ended = try copy.wait(seconds: 30)
            expectFailure(ended, status: 130, "interrupted", "run the same command again to resume")
            #expect(!ended.error.contains("may be left"), "\(ended)")
            #expect(names(in: target) == [])
        }
    }

    /// A server that answers nothing any more: said, and not waited for either.
    @Test(.notInTheLab, arguments: ["put", "get"]) func aTransferIsInterruptedWhileTheServerIsStopped(command: String)
        throws
    {
        try withSite(.user) { site in
            let relay = try Relay(
                to: site.port, holding: command == "put" ? .toServer : .toClient, allowing: 400 << 10)
            defer { relay.stop() }
            let (source, target) = command == "put" ? (site.local, site.data) : (site.data, site.local)
            // Too small to be kept, in several calls.
            try write(pattern(1_000_000), to: source + "/big")
            let pieces = ",rsize=65536,wsize=65536"
            let places = command == "put" ? ["big", "localhost:/data"] : ["localhost:/data/big", "."]
            let copy = try site.start(
                command, places, options: site.credentials + pieces + ",timeo=3000", port: relay.port)
            try underWay(target, beyond: 0, copy)
            site.xferd.signal(SIGSTOP)
            relay.letNewConnectionsThrough()
            copy.signal(SIGINT)
            let ended = try copy.wait(seconds: 60)
            site.xferd.signal(SIGCONT)
            expectFailure(ended, status: 130, "interrupted")
            #expect(ended.error.contains("localhost does not answer: temporary files") == (command == "put"))
            if command == "get" { #expect(names(in: target) == []) }
        }
    }

    /// The second signal leaves at once.
    @Test(.notInTheLab) func interruptedTwice() throws {
        try withSite(.user) { site in
            let relay = try Relay(to: site.port, holding: .toServer, allowing: 2 << 20)
            defer { relay.stop() }
            try write(pattern(6 << 20), to: site.local + "/big")
            let put = try site.start("put", ["big", "localhost:/data"], port: relay.port)
            try underWay(site.data, beyond: 0, put)
            site.xferd.signal(SIGSTOP)
            put.signal(SIGINT)
            try put.logged("cleaning up (again to leave at once)")
            put.signal(SIGINT)
            let ended = try put.wait(seconds: 30)
            site.xferd.signal(SIGCONT)
            expectFailure(ended, status: 130, "interrupted")
            #expect(!ended.error.contains("run the same command again") && !ended.error.contains("may be left"))
        }
    }

    /// A file cut short while it is pushed: an error, never wrong bytes.
    @Test(arguments: Layer.available) func theSourceOfAPutIsCutShort(layer: Layer) throws {
        try withSite(layer) { site in
            try sparse(site.local + "/big", 2 << 30)
            try write("old", to: site.data + "/big")
            let put = try site.start("put", ["big", "localhost:/data"])
            try underWay(site.data, beyond: 4 << 20, put)
            truncate(site.local + "/big", 1 << 20)
            expectFailure(try put.wait(seconds: 60), "big: ", "while it was read")
            #expect(contents(of: site.data + "/big") == "old")
            #expect(names(in: site.data) == ["big"])
        }
    }

    @Test(arguments: Layer.available) func theSourceOfAPutIsWritten(layer: Layer) throws {
        try withSite(layer) { site in
            let size = layer == .kernel || Layer.isLab ? 64 << 20 : 512 << 20
            try sparse(site.local + "/big", size)
            let put = try site.start("put", ["big", "localhost:/data"])
            try underWay(site.data, beyond: 1 << 20, put)
            try overwriteFirstByte(site.local + "/big")
            expectFailure(try put.wait(seconds: 60), "big: changed while it was read")
            #expect(names(in: site.data) == [])
        }
    }

    @Test(arguments: Layer.available) func theSourceOfAGetIsCutShort(layer: Layer) throws {
        try withSite(layer) { site in
            try sparse(site.data + "/big", 2 << 30)
            try write("old", to: site.local + "/big")
            let get = try site.start("get", ["localhost:/data/big"])
            try underWay(site.local, beyond: 4 << 20, get)
            truncate(site.data + "/big", 1 << 20)
            expectFailure(try get.wait(seconds: 60), "localhost:/data/big", "while it was read")
            #expect(contents(of: site.local + "/big") == "old")
            #expect(names(in: site.local) == ["big"])
        }
    }

    @Test(arguments: Layer.available) func theSourceOfAGetIsWritten(layer: Layer) throws {
        try withSite(layer) { site in
            let size = layer == .kernel || Layer.isLab ? 64 << 20 : 512 << 20
            try sparse(site.data + "/big", size)
            let get = try site.start("get", ["localhost:/data/big", "copy"])
            try underWay(site.local, beyond: 1 << 20, get)
            try overwriteFirstByte(site.data + "/big")
            expectFailure(try get.wait(seconds: 60), "localhost:/data/big: changed while it was read")
            #expect(names(in: site.local) == [])
        }
    }

    private func overwriteFirstByte(_ path: String) throws {
        let file = open(path, O_WRONLY | O_CLOEXEC)
        guard file >= 0, pwrite(file, "x", 1, 0) == 1 else { throw Unexpected("\(path): errno \(errno)") }
        close(file)
    }
}
