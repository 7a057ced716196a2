import Glibc
import TestSupport
import Testing

/// `-S`: holes stay holes.
@Suite struct SparseTests {
    enum Direction: String, CaseIterable { case put, get }
    enum Program: String, CaseIterable { case xfer, noxfer }

    /// Holes at the beginning, in the middle and at the end.
    private static let segments: [Range<Int>] = [1 << 20..<(1 << 20) + 65536, 3 << 20..<4 << 20]
    private static let size = 8 << 20

    private func makeSparse(_ path: String) throws -> [UInt8] {
        var content = [UInt8](repeating: 0, count: Self.size)
        let file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        try #require(file >= 0 && ftruncate(file, Self.size) == 0)
        for (index, segment) in Self.segments.enumerated() {
            let bytes = pattern(segment.count, seed: UInt64(index + 1))
            #expect(pwrite(file, bytes, bytes.count, off_t(segment.lowerBound)) == bytes.count)
            content.replaceSubrange(segment, with: bytes)
        }
        // So that ext4 has given out the blocks.
        fsync(file)
        close(file)
        return content
    }

    private func blocks(_ path: String) throws -> Int { Int(try status(of: path).st_blocks) }

    private static let data = segments.reduce(0) { $0 + $1.count } / 512

    @Test(arguments: Direction.allCases, Program.allCases)
    func holesStay(direction: Direction, program: Program) throws {
        for layer in Layer.available { try holesStay(layer, direction, program) }
    }

    private func holesStay(_ layer: Layer, _ direction: Direction, _ program: Program) throws {
        for place in Layer.isLab ? ["/dev/shm"] : ["/dev/shm", "/tmp"] {
            var setup = Site.Setup()
            setup.place = place
            try withSite(layer, setup) { site in
                let content = try makeSparse((direction == .put ? site.local : site.data) + "/f")
                let places =
                    direction == .put ? ["f", "localhost:/data/copy"] : ["localhost:/data/f", "copy"]
                expectDone(try site.start(direction.rawValue, ["-S", "-o", program.rawValue] + places).wait())
                let copy = (direction == .put ? site.data : site.local) + "/copy"
                expectFile(copy, content)
                #expect(try blocks(copy) <= Self.data + 128)
                // Without it the copy is whole: that there are holes above is the option's doing.
                let whole = places.dropLast() + [places[1] + ".whole"]
                expectDone(try site.start(direction.rawValue, ["-o", program.rawValue] + whole).wait())
                expectFile(copy + ".whole", content)
                #expect(try blocks(copy + ".whole") >= Self.size / 512)
            }
        }
    }

    /// 100 GiB of nothing.
    @Test(.notInTheLab, arguments: [("put", "xfer"), ("put", "noxfer"), ("get", "xfer")])
    func aFileThatIsAllHole(direction: String, program: String) throws {
        try withSite(.user) { site in
            let size = 100 << 30
            try sparse((direction == "put" ? site.local : site.data) + "/f", size)
            let places = direction == "put" ? ["f", "localhost:/data/copy"] : ["localhost:/data/f", "copy"]
            expectDone(try site.start(direction, ["-a", "-o", program] + places).wait())
            let copy = try status(of: (direction == "put" ? site.data : site.local) + "/copy")
            #expect(copy.st_size == size && copy.st_blocks == 0)
        }
    }

    @Test(.notInTheLab, arguments: Direction.allCases, Program.allCases)
    func whatIsResumedKeepsItsHoles(direction: Direction, program: Program) throws {
        try withSite(.user) { site in
            let source = (direction == .put ? site.local : site.data) + "/f"
            let place = direction == .put ? site.data : site.local
            // A hole between two large pieces of data.
            let piece = 12 << 20
            let content = pattern(piece, seed: 3)
            let file = open(source, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
            try #require(ftruncate(file, 3 * piece) == 0)
            for at in [0, 2 * piece] { #expect(pwrite(file, content, piece, off_t(at)) == piece) }
            close(file)
            let places = direction == .put ? ["f", "localhost:/data/copy"] : ["localhost:/data/f", "copy"]
            let first = try site.start(
                direction.rawValue, ["-S", "--limit", "8M", "-o", program.rawValue] + places)
            try underWay(place, beyond: 6 << 20, first)
            first.signal(SIGINT)
            expectFailure(try first.wait(), status: 130, "kept")
            expectDone(try site.start(direction.rawValue, ["-S", "-o", program.rawValue] + places).wait())
            expectFile(place + "/copy", content + [UInt8](repeating: 0, count: piece) + content)
            #expect(try blocks(place + "/copy") <= 2 * piece / 512 + 128)
        }
    }
}
