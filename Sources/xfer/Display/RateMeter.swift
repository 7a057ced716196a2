/// Bytes per second over the last few seconds.
struct RateMeter {
    private var samples: [(time: Double, bytes: Int)] = []
    private static let span = 3.0

    init() {}

    mutating func add(bytes: Int, at time: Double) {
        samples.append((time, bytes))
        while samples.count > 2, time - samples[1].time > Self.span { samples.removeFirst() }
    }

    var perSecond: Double {
        guard let first = samples.first, let last = samples.last, last.time > first.time else { return 0 }
        return max(0, Double(last.bytes - first.bytes) / (last.time - first.time))
    }
}
