import Glibc
import TestSupport
import Testing

/// How often one end waits for the other in a whole copy.
@Suite(.notInTheLab) struct RoundTripTests {
    private static let size = 3 << 20

    /// - Returns: how often xfer sent something after it had been sent something.
    private func turns(_ site: Site, _ command: String, _ from: String, _ to: String) throws -> Int {
        // Long enough that what goes together is seen together, on a machine with other things to do.
        let relay = try DelayRelay(to: site.port, roundTrip: 0.4)
        expectDone(try site.xfer(command, from, to, options: site.credentials + ",nconnect=1", port: relay.port))
        return relay.turns
    }

    /// STARTTLS, the handshake, MOUNT, LOOKUP and what else the handle is needed for, READs, GETATTR; then close_notify.
    @Test func ofAFetch() throws {
        try withSite(.user) { site in
            let content = pattern(Self.size)
            try write(content, to: site.data + "/file")
            let turns = try turns(site, "get", "localhost:/data/file", "copy")
            #expect(turns <= 6, "\(turns)")
            expectFile(site.local + "/copy", content)
        }
    }

    /// CREATE, WRITEs and PUBLISH in place of the last two.
    @Test func ofAPush() throws {
        try withSite(.user) { site in
            let content = pattern(Self.size)
            try write(content, to: site.local + "/file")
            let turns = try turns(site, "put", "file", "localhost:/data/copy")
            #expect(turns <= 7, "\(turns)")
            expectFile(site.data + "/copy", content)
        }
    }
}
