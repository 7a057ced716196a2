import Glibc
import TestSupport
import Testing

/// Ctrl-C and what changes in the middle of a transfer: nothing half done has a name, and nothing temporary stays.
@Suite struct InterruptTests {
    @Test(arguments: Layer.available, [SIGINT, SIGTERM]) func aPutThatIsInterrupted(layer: Layer, signal: Int32) throws
    {
        try withSite(layer) { site in
            try sparse(site.local + "/big", 2 << 30)
            try write("old", to: site.data + "/there")
            let put = try site.start("put", ["big", "localhost:/data/there"])
            try underWay(site.data, beyond: 4 << 20, put)
            put.signal(signal)
            let ended = try put.wait(seconds: 30)
            expectFailure(ended, status: 130, "interrupted")
            #expect(names(in: site.data) == ["there"])
            #expect(contents(of: site.data + "/there") == "old")
        }
    }

    @Test(arguments: Layer.available, [SIGINT, SIGTERM]) func aGetThatIsInterrupted(layer: Layer, signal: Int32) throws
    {
        try withSite(layer) { site in
            try sparse(site.data + "/big", 2 << 30)
            let get = try site.start("get", ["localhost:/data/big", "new"])
            try underWay(site.local, beyond: 4 << 20, get)
            get.signal(signal)
            expectFailure(try get.wait(seconds: 30), status: 130, "interrupted")
            #expect(names(in: site.local) == [])
            // The server is free again at once.
            expectDone(try site.xfer("ls", "localhost:/data"))
        }
    }

    @Test(arguments: Layer.available) func aTreeThatIsInterrupted(layer: Layer) throws {
        try withSite(layer) { site in
            mkdir(site.local + "/tree", 0o755)
            for index in 0..<8 { try sparse("\(site.local)/tree/f\(index)", 512 << 20) }
            let put = try site.start("put", ["-r", "tree", "localhost:/data"])
            try underWay(site.data + "/tree", beyond: 1 << 20, put)
            put.signal(SIGINT)
            expectFailure(try put.wait(seconds: 30), status: 130, "interrupted")
            #expect(names(in: site.data + "/tree").filter { $0.hasSuffix(".xfer") } == [])
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
