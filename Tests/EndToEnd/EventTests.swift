import Foundation
import Glibc
import TestSupport
import Testing

/// What a copy writes into a pipe: nothing that moves a cursor, and with `--json` events.
@Suite(.notInTheLab) struct EventTests {
    private func events(_ ended: Ended) throws -> [[String: Any]] {
        try ended.output.split(separator: "\n").map { line in
            try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any], "\(line)")
        }
    }

    @Test func aTreeInEvents() throws {
        try withSite(.user) { site in
            mkdir(site.local + "/tree", 0o755)
            for name in ["a", "b"] { try write("text", to: "\(site.local)/tree/\(name)") }
            mkfifo(site.local + "/tree/pipe", 0o644)
            let ended = try site.xfer("put", "-r", "--json", "tree", "localhost:/data")
            expectDone(ended)
            #expect(ended.error == "")
            let events = try events(ended)
            #expect(events.first?["event"] as? String == "start")
            #expect(events.first?["what"] as? String == "tree")
            let notice = try #require(events.first { $0["event"] as? String == "notice" })
            #expect(notice["message"] as? String == "left out: tree/pipe: neither a file, a directory nor a link")
            let summary = try #require(events.last)
            #expect(summary["event"] as? String == "summary")
            #expect(summary["status"] as? Int == 0 && summary["files"] as? Int == 2)
            #expect(summary["bytes"] as? Int == 8 && summary["left_out"] as? Int == 1)
            let protection = try #require((summary["protection"] as? [[String: Any]])?.first)
            #expect(protection["record_layer"] as? String == "user")
            #expect(protection["peer"] as? String == "CN=localhost")
        }
    }

    @Test func failuresInEvents() throws {
        try withSite(.user) { site in
            mkdir(site.local + "/tree", 0o755)
            for name in ["a", "b"] { try write("text", to: "\(site.local)/tree/\(name)") }
            // Nothing replaces a directory.
            mkdir(site.data + "/tree", 0o755)
            mkdir(site.data + "/tree/b", 0o755)
            let ended = try site.xfer("put", "-r", "--json", "tree", "localhost:/data")
            #expect(ended.status == 3)
            let events = try events(ended)
            let failures = events.filter { $0["event"] as? String == "failure" }
            #expect(failures.count == 1 && (failures.first?["message"] as? String)?.contains("tree/b") ?? false)
            #expect(events.last?["status"] as? Int == 3 && events.last?["failed"] as? Int == 1)
        }
    }

    @Test func whatCannotBeginInEvents() throws {
        try withSite(.user) { site in
            let ended = try site.xfer("get", "--json", "localhost:/data/missing")
            #expect(ended.status == 1)
            let events = try events(ended)
            let names = events.compactMap { $0["event"] as? String }
            #expect(names.filter { $0 != "progress" } == ["start", "failure", "summary"])
            let failure = try #require(events.first { $0["event"] as? String == "failure" })
            #expect((failure["message"] as? String)?.contains("missing") ?? false)
            #expect(events.last?["status"] as? Int == 1)
        }
    }

    /// Held up in the middle, a transfer says once a second how far it is; interrupted, that it was.
    @Test func progressAndInterruptionInEvents() throws {
        try withSite(.user) { site in
            let relay = try Relay(to: site.port, holding: .toClient, allowing: 3 << 20)
            defer { relay.stop() }
            try write(pattern(6 << 20), to: site.data + "/file")
            let get = try site.start("get", ["--json", "localhost:/data/file"], port: relay.port)
            try get.printed("localhost:/data/file\",\"bytes\":2")
            get.signal(SIGINT)
            let ended = try get.wait(seconds: 30)
            #expect(ended.status == 130)
            let events = try events(ended)
            // The last ones may tell of the cleaning up.
            let progress = try #require(
                events.last { $0["event"] as? String == "progress" && ($0["in_flight"] as? [Any])?.isEmpty == false })
            #expect(progress["total_bytes"] as? Int == 6 << 20 && progress["listed"] as? Bool == true)
            let file = try #require((progress["in_flight"] as? [[String: Any]])?.first)
            #expect(file["path"] as? String == "localhost:/data/file" && file["bytes"] as? Int ?? 0 > 0)
            #expect(events.last?["event"] as? String == "summary" && events.last?["status"] as? Int == 130)
        }
    }

    @Test func intoAPipeThereIsTheSummaryAlone() throws {
        try withSite(.user) { site in
            try write("text", to: site.local + "/file")
            let ended = try site.xfer("put", "file", "localhost:/data")
            expectDone(ended)
            #expect(ended.output == "")
            let line = try #require(ended.error.wholeMatch(of: #/1 file, 4 B in .* s \(.*/s\), TLS 1\.3 (.*)\n/#))
            #expect(line.output.1 == "TLS_AES_128_GCM_SHA256 user layer, peer CN=localhost")
            let quiet = try site.xfer("put", "-q", "file", "localhost:/data")
            expectDone(quiet)
            #expect(quiet.output + quiet.error == "")
        }
    }
}
