import Glibc
import TestSupport
import Testing

/// However large a file is, every process that it goes through stays small.
@Suite(.serialized) struct MemoryTests {
    /// A resident set, in KiB, that none of them reaches.
    static let limit = 64 << 10
    /// In the lab, at some 30 MB/s and with 3 GiB of memory, 256 MiB must do.
    static let size = Layer.isLab ? 256 << 20 : 4 << 30

    @Test(arguments: Layer.available, ["get", "put"]) func aLargeFileDoesNotStayInMemory(layer: Layer, command: String)
        throws
    {
        var setup = Site.Setup()
        // Where the copy of 4 GiB has room: sparse files do not stay sparse.
        if !Layer.isLab { setup.place = "/tmp" }
        try withSite(layer, setup) { site in
            let (tlscd, socket) = try site.startDaemon()
            try sparse((command == "get" ? site.data : site.local) + "/big", Self.size)
            let arguments = command == "get" ? ["localhost:/data/big", "copy"] : ["big", "localhost:/data/copy"]
            let xfer = try site.start(command, arguments, options: "tlscd=\(socket),nconnect=2")
            // The peak of a process is to be read only while it lives: again and again, until it ends.
            var peak = 0
            while xfer.ended == nil {
                if let now = xfer.peakKiB { peak = max(peak, now) }
                usleep(20_000)
            }
            expectDone(try xfer.wait(seconds: 300))
            #expect(try status(of: (command == "get" ? site.local : site.data) + "/copy").st_size == Self.size)
            #expect(peak > 1000 && peak < Self.limit, "xfer: \(peak) KiB")
            for program in [site.xferd, site.tlssd, tlscd] {
                let peak = try #require(program.peakKiB)
                #expect(peak > 1000 && peak < Self.limit, "\(program.name): \(peak) KiB")
            }
            try tlscd.stop()
        }
    }
}
