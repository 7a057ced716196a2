import Testing

@testable import Transfer

@Suite struct RangeListTests {
    /// Against sets of numbers, which cannot go wrong.
    @Test func asSetsHaveIt() {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<2000 {
            let (a, b) = (some(&random), some(&random))
            let (first, second) = (list(a), list(b))
            #expect(first.count == UInt64(a.count))
            #expect(first.union(second) == list(a.union(b)))
            #expect(first.intersection(second) == list(a.intersection(b)))
            #expect(first.subtracting(second) == list(a.subtracting(b)), "\(first.ranges) \(second.ranges)")
            let blocks = Set(a.flatMap { ($0 / 4 * 4)..<min(30, $0 / 4 * 4 + 4) })
            #expect(first.blocks(of: 4, in: 30) == list(blocks.filter { $0 < 30 }))
        }
    }

    private func some(_ random: inout SystemRandomNumberGenerator) -> Set<UInt64> {
        let dense = UInt64.random(in: 1...8, using: &random)
        return Set((0..<30).filter { _ in UInt64.random(in: 0..<8, using: &random) < dense })
    }

    private func list(_ numbers: Set<UInt64>) -> RangeList { RangeList(numbers.sorted().map { $0..<($0 + 1) }) }

    @Test func piecesCrossNoBoundary() async {
        var pieces: [Range<UInt64>] = []
        await RangeList([3..<25, 30..<31]).forEachPiece(of: 8, within: 10) { pieces.append($0) }
        #expect(pieces == [3..<10, 10..<18, 18..<20, 20..<25, 30..<31])
    }

    @Test func theLargestNumbers() async {
        let list = RangeList([UInt64.max - 5..<UInt64.max])
        #expect(list.blocks(of: 4, in: .max).ranges.last?.upperBound == .max)
        var count = 0
        await list.forEachPiece(of: 2) { _ in count += 1 }
        #expect(count == 3)
    }
}
