import Certificates
import Glibc
import TestSupport
import Testing

@Suite struct PingTests {
    @Test(arguments: Layer.available) func everyStepIsSaid(layer: Layer) throws {
        try withSite(layer) { site in
            let ended = try site.xfer("ping", "-c", "7", "localhost:/data")
            expectDone(ended)
            #expect(ended.error == "")
            let lines = ended.output.split(separator: "\n").map { line in
                line.split(separator: " ", omittingEmptySubsequences: true).map(String.init)
            }
            #expect(lines.first == ["localhost:/data"])
            #expect(
                lines.dropFirst().prefix(7).map { $0[0] } == [
                    "resolve", "connect", "STARTTLS", "handshake", "MOUNT", "NFS", "7",
                ])
            for words in [
                "record layer \(layer.rawValue)", "CN=localhost, serial ", "DNS:localhost", "UTC", "reads up to ",
                "TLS 1.3 TLS_AES_128_GCM_SHA256", "7 calls    min ",
            ] {
                #expect(ended.output.contains(words), "\(words): \(ended.output)")
            }
        }
    }

    @Test(.notInTheLab) func asJSON() throws {
        var setup = Site.Setup()
        setup.serverValidity = try .days(100)
        try withSite(.user, setup) { site in
            let ended = try site.xfer("ping", "--json", "-c", "0", "localhost:/data")
            expectDone(ended)
            #expect(
                ended.output.hasPrefix(
                    #"{"place":"localhost:/data","host":"localhost","ok":true,"steps":[{"step":"resolve","seconds":"#))
            for words in [
                #""cipher":"TLS_AES_128_GCM_SHA256","record_layer":"user","certificate":{"subject":"CN=localhost""#,
                #""rtmax":"#, #""names":["DNS:localhost""#,
            ] {
                #expect(ended.output.contains(words), "\(words): \(ended.output)")
            }
            #expect(!ended.output.contains("round_trips"))
            let expires = ended.output.split(separator: "\"expires\":").last.flatMap { Int($0.prefix { $0.isNumber }) }
            let days = Double((expires ?? 0) - time(nil)) / 86400
            #expect((99.9...100).contains(days), "\(ended.output)")
            expectFailure(try site.xfer("ping", "--json", "localhost:/data", port: 1), "connect failed after ")
        }
    }

    @Test(.notInTheLab) func theStepThatFailsIsNamed() throws {
        try withSite(.user) { site in
            func ping(_ place: String, _ step: String, options: String? = nil, port: UInt16? = nil) throws {
                let ended = try site.xfer("ping", place, options: options, port: port)
                expectFailure(ended, "xfer: \(step) failed after ")
                #expect(ended.output.contains("  \(step)  "), "\(ended)")
            }
            try ping("host.invalid:/data", "resolve")
            try ping("localhost:/data", "connect", port: 1)
            let silent = try FakeServer { connection in connection.receiveToTheEnd() }
            try ping("127.0.0.1:/data", "STARTTLS", options: site.credentials + ",timeo=10", port: silent.port)
            try ping("localhost:/data", "handshake", options: site.credentials + ",tlscertname=else.example")
            try ping("localhost:/nothing", "MOUNT")
            expectFailure(try site.xfer("ping", "local"), status: 2, "local path")
        }
    }

    @Test(.notInTheLab) func aCertificateThatExpiresSoon() throws {
        var setup = Site.Setup()
        setup.serverValidity = try .days(10)
        try withSite(.user, setup) { site in
            let ended = try site.xfer("ping", "-c", "1", "localhost:/data")
            expectDone(ended)
            #expect(
                ended.error.contains(#/^xfer: warning: the certificate of CN=localhost expires in (9|10) days, on /#),
                "\(ended)")
            #expect(try site.xfer("ping", "-q", "localhost:/data").error == "")
        }
    }
}
