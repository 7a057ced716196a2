/// What one peer did for one subject, in all rounds.
struct Measurement: Codable, Sendable {
    /// Such as `fetch-large`.
    let subject: String
    /// Such as `curl-tls`.
    let peer: String
    /// For a person: `curl from nginx, TLS`.
    let label: String
    /// What the values are: `s` or `1/s`.
    let unit: String
    /// How much one run moves.
    var bytes: Int?
    var files: Int?
    /// Of growth: how large, how many, how late.
    var x: Double?
    var samples: [Sample] = []

    var median: Double { Statistics.median(samples.map(\.value)) }
    var lowest: Double { samples.map(\.value).min() ?? 0 }
    var highest: Double { samples.map(\.value).max() ?? 0 }

    /// Processor seconds of both ends, the median.
    var processorSeconds: Double? {
        let all = samples.compactMap { sample in
            sample.client.map { $0.total + (sample.server?.total ?? 0) }
        }
        return all.isEmpty ? nil : Statistics.median(all)
    }

    /// The largest resident set of each program, in bytes.
    var peaks: [String: Int] {
        samples.reduce(into: [:]) { $0.merge($1.peaks ?? [:]) { max($0, $1) } }
    }
}

/// One run.
struct Sample: Codable, Sendable {
    let value: Double
    /// Of the client and what it starts, and of the servers that work for it.
    var client: ProcessorTime?
    var server: ProcessorTime?
    /// The largest resident set of each program by its name, in bytes.
    var peaks: [String: Int]?
}

enum Statistics {
    static func median(_ values: [Double]) -> Double {
        let sorted = values.sorted()
        guard !sorted.isEmpty else { return .nan }
        let middle = sorted.count / 2
        return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
    }

    /// How many times as long `slow` took as `fast`: the median over rounds, as machines change from one to the next.
    static func ratio(_ slow: Measurement, to fast: Measurement) -> Double {
        median(zip(slow.samples, fast.samples).map { $0.value / $1.value })
    }
}
