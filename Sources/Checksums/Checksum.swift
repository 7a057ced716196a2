/// How a checksum is made.
package enum ChecksumAlgorithm: UInt32, Sendable, CaseIterable {
    /// XXH3 with 128 bits: as fast as memory, against accidents.
    case xxh3 = 1
    /// SHA-256: against somebody who wants two files to look the same.
    case sha256 = 2

    /// As on the command line.
    package var name: String {
        switch self {
        case .xxh3: "xxh3"
        case .sha256: "sha256"
        }
    }

    /// Bytes of a checksum.
    package var length: Int {
        switch self {
        case .xxh3: 16
        case .sha256: 32
        }
    }
}

/// A checksum of some bytes.
package struct Checksum: Hashable, Sendable, CustomStringConvertible {
    /// Of XXH3 in its canonical order, the most significant byte first.
    package let bytes: [UInt8]

    package init(bytes: [UInt8]) { self.bytes = bytes }

    /// Hexadecimal digits, as sha256sum(1) and xxhsum(1) write them.
    package var description: String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}
