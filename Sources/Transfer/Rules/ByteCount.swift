/// A number of bytes as people write it: `50M`, `1.5Gi`.
package struct ByteCount: Sendable, Equatable {
    package let bytes: UInt64

    /// Reads digits, with a decimal point among them or not, and a unit behind them: K, M, G, T for powers of 1000;
    /// Ki, Mi, Gi, Ti for powers of 1024; large or small, with `B` after it or not.
    ///
    /// - Returns: nil where it is something else, more than 2^64 - 1, or less than a byte and not 0. Parts of a byte are
    ///   dropped.
    package init?(_ text: String) {
        let number = text.utf8.prefix { (0x30...0x39).contains($0) || $0 == UInt8(ascii: ".") }
        guard let unit = Self.units[text.utf8.dropFirst(number.count).map { $0 | 0x20 }] else { return nil }
        let parts = number.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count <= 2, let whole = parts.first, whole.count + (parts.dropFirst().first?.count ?? 0) > 0
        else { return nil }
        var total: UInt128 = 0
        for digit in whole {
            total = total * 10 + UInt128(digit - 0x30)
            guard total <= UInt128(UInt64.max) else { return nil }
        }
        total *= unit
        // From the left, each digit counts a tenth of the one before; what is beyond the unit's own digits is under a
        // byte.
        var (value, scale): (UInt128, UInt128) = (0, 1)
        let fraction = parts.count == 2 ? parts[1] : parts[0].prefix(0)
        for digit in fraction.prefix(18) { (value, scale) = (value * 10 + UInt128(digit - 0x30), scale * 10) }
        total += value * unit / scale
        let isZero = whole.allSatisfy { $0 == 0x30 } && fraction.allSatisfy { $0 == 0x30 }
        guard let bytes = UInt64(exactly: total), bytes > 0 || isZero else { return nil }
        self.bytes = bytes
    }

    /// By their names in small letters.
    private static let units: [[UInt8]: UInt128] = {
        var units: [[UInt8]: UInt128] = [[]: 1, Array("b".utf8): 1]
        var (decimal, binary): (UInt128, UInt128) = (1, 1)
        for letter in "kmgt".utf8 {
            (decimal, binary) = (decimal * 1000, binary * 1024)
            for (name, unit) in [([letter], decimal), ([letter, UInt8(ascii: "i")], binary)] {
                units[name] = unit
                units[name + [UInt8(ascii: "b")]] = unit
            }
        }
        return units
    }()
}
