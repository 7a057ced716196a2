import Glibc
import TestSupport
import Testing

/// A copy that was killed half-way and is run again moves what is missing, and not the rest: bytes are counted on the wire.
@Suite(.serialized) struct ResumeTests {
    enum Direction: String, CaseIterable { case put, get }
    /// With the server's extra program, and by NFS alone.
    enum Program: String, CaseIterable { case xfer, noxfer }

    static let size = Layer.isLab ? 16 << 20 : 64 << 20

    @Test(arguments: Direction.allCases, Program.allCases)
    func onlyWhatIsMissingMoves(direction: Direction, program: Program) throws {
        let site = try KillSite(Layer.hasKernel ? .kernel : .user)
        let relay = try CountingRelay(to: site.port)
        let content = Self.content(Self.size)
        let (source, place) = direction == .put ? (site.local, site.data) : (site.data, site.local)
        try write(content, to: source + "/big")
        func run() throws -> RunningProgram { try Self.copy(site, direction, program, by: relay) }

        let first = try run()
        #expect(relay.wait { Self.moved($0, direction) > Self.size / 2 })
        try site.kill(first)
        let temporary = try #require(names(in: place).first { TreeComparison.isTemporary(RawPath($0)) })
        // What is there of it: a put may have been killed with calls on their way.
        let there = Int(try status(of: "\(place)/\(temporary)").st_blocks) * 512
        // In the lab much of a get may still be in sockets when the relay has passed it on.
        let least = Layer.isLab && direction == .get ? 1 << 20 : Self.size / 4
        #expect(there > least && there < Self.size)

        relay.reset()
        expectDone(try run().wait())
        #expect(try TreeComparison.differences(RawPath(source + "/big"), RawPath(place + "/big")) == [])
        #expect(names(in: place) == ["big"])
        let moved = Self.moved(relay.count, direction)
        // The blocks with calls that were cut off, and what TLS, RPC and the checks take.
        let more = Self.size / 16 + (2 << 20)
        #expect(moved <= Self.size - there + more, "\(moved) bytes, with \(there) of \(Self.size) there")
        try site.stop()
    }

    private static func copy(
        _ site: KillSite, _ direction: Direction, _ program: Program, by relay: CountingRelay
    ) throws -> RunningProgram {
        // What is in flight is lost: 16 calls on a connection, which may all be answered and none of them noted.
        let call = Layer.isLab ? 64 << 10 : 256 << 10
        let options = ["-p", "-o", "\(program.rawValue),nconnect=1,rsize=\(call),wsize=\(call)"]
        return switch direction {
        case .put: try site.xfer("put", options + ["big", "localhost:/data"], port: relay.port)
        case .get: try site.xfer("get", options + ["localhost:/data/big", "."], port: relay.port)
        }
    }

    private static func moved(_ count: CountingRelay.Count, _ direction: Direction) -> Int {
        direction == .put ? count.up : count.down
    }

    /// No two blocks of it are the same. ``pattern(_:seed:)`` takes seconds for so much.
    private static func content(_ size: Int) -> [UInt8] {
        let block = pattern(64 << 10, seed: 3)
        var content: [UInt8] = []
        content.reserveCapacity(size)
        for number in 0..<(size / block.count) {
            withUnsafeBytes(of: number) { content.append(contentsOf: $0) }
            content.append(contentsOf: block.dropFirst(8))
        }
        return content
    }

    /// What is there and is not the source's is not taken for it.
    @Test(arguments: Direction.allCases, Program.allCases)
    func whatIsThereIsVerified(direction: Direction, program: Program) throws {
        let site = try KillSite(Layer.hasKernel ? .kernel : .user)
        let relay = try CountingRelay(to: site.port)
        let content = Self.content(Self.size / 4)
        let (source, place) = direction == .put ? (site.local, site.data) : (site.data, site.local)
        try write(content, to: source + "/big")
        func run() throws -> RunningProgram { try Self.copy(site, direction, program, by: relay) }
        let first = try run()
        #expect(relay.wait { Self.moved($0, direction) > content.count / 2 })
        try site.kill(first)
        let temporary = try #require(names(in: place).first { TreeComparison.isTemporary(RawPath($0)) })
        let file = open("\(place)/\(temporary)", O_WRONLY | O_CLOEXEC)
        try #require(file >= 0)
        for at in [0, 1 << 20, content.count / 3] { #expect(pwrite(file, "wrong", 5, off_t(at)) == 5) }
        close(file)
        expectDone(try run().wait())
        #expect(try TreeComparison.differences(RawPath(source + "/big"), RawPath(place + "/big")) == [])
        try site.stop()
    }
}
