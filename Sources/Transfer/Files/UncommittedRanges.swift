import NFS

/// What of a file a server has and may still lose: by the verifier that its WRITEs were answered with (RFC 1813 section
/// 3.3.7).
struct UncommittedRanges: Sendable {
    private var ranges: [NFS.Verifier: [Range<UInt64>]] = [:]

    var isEmpty: Bool { ranges.isEmpty }

    /// What all of it was answered with; nil where that is not one.
    var verifier: NFS.Verifier? { ranges.count == 1 ? ranges.first?.key : nil }

    mutating func add(_ range: Range<UInt64>, _ verifier: NFS.Verifier) { ranges[verifier, default: []].append(range) }

    mutating func formUnion(_ other: UncommittedRanges) { ranges.merge(other.ranges) { $0 + $1 } }

    /// After a COMMIT: what was written before the server began anew, in the file's order, neighbours as one.
    func lost(committed verifier: NFS.Verifier) -> [Range<UInt64>] {
        var lost: [Range<UInt64>] = []
        for range in ranges.filter({ $0.key != verifier }).values.joined().sorted(by: { $0.lowerBound < $1.lowerBound })
        {
            if let last = lost.last, last.upperBound == range.lowerBound {
                lost[lost.count - 1] = last.lowerBound..<range.upperBound
            } else {
                lost.append(range)
            }
        }
        return lost
    }
}
