import TestSupport
import Testing

/// Clients that an export is not for.
@Suite(.inPeerLab) struct RefusalTests {
    /// RFC 9289 section 5.2: the export asks for a certificate of the client's, and this client brings none.
    @Test func aClientWithoutCertificateIsRefused() throws {
        try refuses(.init(protection: .tls, demanded: .mtls), "certificate")
    }

    /// Its MOUNT call is answered, since Linux can send that in cleartext alone; the handle is of no use to it.
    @Test func aClientWithoutTLSIsRefused() throws {
        try refuses(.init(protection: .none, demanded: .tls), "cleartext")
    }

    private func refuses(_ setup: MountedSite.Setup, _ reason: String) throws {
        let site = try MountedSite(setup)
        defer { site.abandon() }
        try write("text", to: site.data + "/file")
        let ended = try site.mount("soft,timeo=50,retrans=1")
        #expect(ended.status == 32 && !exists(site.mountPoint + "/file"), "\(ended)")
        // The reason stands in the log of who refuses.
        let isSaid = eventually {
            [site.xferd, site.tlssd].flatMap { $0.error.split(separator: "\n") }
                .contains { $0.contains(reason) && !$0.contains("ready") && !$0.contains("serving") }
        }
        #expect(isSaid, "\(site.xferd.error)\(site.tlssd.error)")
        #expect(site.xferd.ended == nil && site.tlssd.ended == nil)
    }
}
