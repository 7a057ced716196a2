/// Parts of a file: ranges in its order, none of them empty, no two that touch.
struct RangeList: Equatable, Sendable {
    private(set) var ranges: [Range<UInt64>] = []

    init() {}

    init(_ range: Range<UInt64>) { if !range.isEmpty { ranges = [range] } }

    /// - Parameter ranges: in the file's order, and disjoint.
    init(_ ranges: some Sequence<Range<UInt64>>) { for range in ranges { append(range) } }

    var isEmpty: Bool { ranges.isEmpty }
    /// Bytes.
    var count: UInt64 { ranges.reduce(0) { $0 + ($1.upperBound - $1.lowerBound) } }

    /// - Parameter range: begins where the last one ends, or behind it.
    mutating func append(_ range: Range<UInt64>) {
        if range.isEmpty { return }
        if let last = ranges.last, last.upperBound >= range.lowerBound {
            ranges[ranges.count - 1] = last.lowerBound..<max(last.upperBound, range.upperBound)
        } else {
            ranges.append(range)
        }
    }

    func union(_ other: RangeList) -> RangeList {
        var result = RangeList()
        var (first, second) = (ranges[...], other.ranges[...])
        while let a = first.first, let b = second.first {
            result.append(a.lowerBound <= b.lowerBound ? first.removeFirst() : second.removeFirst())
        }
        for range in first { result.append(range) }
        for range in second { result.append(range) }
        return result
    }

    func intersection(_ other: RangeList) -> RangeList {
        var result = RangeList()
        var (first, second) = (ranges[...], other.ranges[...])
        while let a = first.first, let b = second.first {
            let low = max(a.lowerBound, b.lowerBound)
            let high = min(a.upperBound, b.upperBound)
            if low < high { result.append(low..<high) }
            if a.upperBound < b.upperBound { first.removeFirst() } else { second.removeFirst() }
        }
        return result
    }

    func subtracting(_ other: RangeList) -> RangeList {
        var result = RangeList()
        var taken = other.ranges[...]
        for range in ranges {
            var low = range.lowerBound
            while let next = taken.first, next.lowerBound < range.upperBound {
                if low < next.lowerBound { result.append(low..<next.lowerBound) }
                low = max(low, next.upperBound)
                // It may reach into the next range too.
                if next.upperBound > range.upperBound { break }
                taken.removeFirst()
            }
            if low < range.upperBound { result.append(low..<range.upperBound) }
        }
        return result
    }

    /// The blocks of a file of `size` bytes that any of it is in.
    func blocks(of blockSize: UInt64, in size: UInt64) -> RangeList {
        var result = RangeList()
        for range in ranges where range.lowerBound < size {
            let end = min(range.upperBound, size)
            let last = (end - 1) / blockSize * blockSize
            let (upper, overflow) = last.addingReportingOverflow(blockSize)
            result.append(range.lowerBound / blockSize * blockSize..<(overflow ? size : min(size, upper)))
        }
        return result
    }

    /// In pieces that cross no multiple of `boundary`, of at most `most` bytes each, which is asked for before each.
    func forEachPiece(
        of most: @autoclosure () -> UInt64, within boundary: UInt64 = .max, _ body: (Range<UInt64>) async throws -> Void
    ) async rethrows {
        for range in ranges {
            var offset = range.lowerBound
            while offset < range.upperBound {
                let room = boundary - offset % boundary
                let end = offset + min(range.upperBound - offset, most(), room)
                try await body(offset..<end)
                offset = end
            }
        }
    }
}
