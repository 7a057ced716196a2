import Foundation
import TestSupport

/// `results.json`, which every run of the benchmark puts its part into, and the report is made of:
///
///     {
///       "schema": 1,
///       "sections": {
///         "peers" | "ktls" | "growth" | "steps": {
///           "date": "2026-11-21T12:00:00Z",
///           "machine": {"system", "processor", "processors", "memoryMiB", "isLab"},
///           "versions": {"nginx": "1.22.1", ...},
///           "settings": {"rounds": "5", ...},
///           "notes": ["what a person must know to read the numbers", ...],
///           "measurements": [{
///             "subject": "fetch-large", "peer": "curl-tls", "label": "curl and nginx, TLS",
///             "unit": "s" | "1/s" | "B" | "s/GB",
///             "bytes": of one run, "files": of one run, "x": of growth: bytes, files, clients, or milliseconds,
///             "samples": [{
///               "value": in the unit,
///               "client": {"user", "system"}: processor seconds of the client and what it starts,
///               "server": {"user", "system"}: of the servers,
///               "peaks": {"xfer": largest resident set in bytes, ...}
///             }, ...]
///           }, ...],
///           "targets": [{"name", "wanted", "measured", "isMet", "isLimit": at most and not at least, "unit"}, ...]
///         }
///       }
///     }
struct Results: Codable {
    var schema = 1
    var sections: [String: Section] = [:]

    struct Section: Codable {
        var date: String
        var machine: Machine
        var versions: [String: String]
        var settings: [String: String]
        var notes: [String] = []
        var measurements: [Measurement] = []
        var targets: [Target] = []

        init(settings: [String: String], versions: [String: String]) {
            date = Date().ISO8601Format()
            machine = .here()
            self.settings = settings
            self.versions = versions
        }

        func find(_ subject: String, _ peer: String) -> Measurement? {
            measurements.first { $0.subject == subject && $0.peer == peer }
        }
    }

    /// What is in a directory's `results.json`; nothing where that is not there or of another schema.
    static func load(_ directory: String) -> Results {
        guard let data = FileManager.default.contents(atPath: directory + "/results.json"),
            let results = try? JSONDecoder().decode(Results.self, from: data), results.schema == 1
        else { return Results() }
        return results
    }

    /// Puts a section into a directory's results, beside the others, and makes the report anew.
    static func store(_ section: Section, as name: String, in directory: String) throws {
        var results = load(directory)
        results.sections[name] = section
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        try encoder.encode(results).write(to: URL(fileURLWithPath: directory + "/results.json"))
        // gnuplot takes its time on a kernel that is a process: `bench report` does it outside.
        if !section.machine.isLab { try Report(results).write(to: directory) }
    }
}

/// Something to be reached, and whether it is.
struct Target: Codable {
    let name: String
    let wanted: Double
    let measured: Double
    /// At most `wanted`, where others are at least.
    var isLimit = false
    /// `x`: times as fast.
    var unit = "x"
    var isMet = false

    init(_ name: String, atLeast wanted: Double, _ measured: Double, unit: String = "x") {
        (self.name, self.wanted, self.measured, self.unit) = (name, wanted, measured, unit)
        isMet = measured >= wanted
    }

    init(_ name: String, atMost wanted: Double, _ measured: Double, unit: String) {
        (self.name, self.wanted, self.measured, self.unit) = (name, wanted, measured, unit)
        isLimit = true
        isMet = measured <= wanted
    }
}
