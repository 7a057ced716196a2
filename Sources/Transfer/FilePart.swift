/// A part of a file. Offsets and lengths are in bytes.
package enum FilePart: Sendable, Equatable {
    /// From `offset` on, to the end or `length` bytes at most.
    case from(offset: UInt64, length: UInt64?)
    /// The last bytes.
    case last(UInt64)

    package static let all = FilePart.from(offset: 0, length: nil)

    /// `first-last`, `first-` or `-count`, as in RFC 9110 section 14.1.2: both ends belong to it, the first byte is 0.
    ///
    /// - Throws: ``UsageError`` where it is none of these.
    package init(range text: String) throws(UsageError) {
        let mistake = UsageError("'\(text)': a range is FIRST-LAST, FIRST- or -COUNT, the first byte being 0")
        let ends = text.split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count == 2, ends.allSatisfy({ $0.utf8.allSatisfy { (0x30...0x39).contains($0) } }) else {
            throw mistake
        }
        switch (UInt64(ends[0]), UInt64(ends[1])) {
        case (let first?, nil) where ends[1].isEmpty: self = .from(offset: first, length: nil)
        case (nil, let count?) where ends[0].isEmpty: self = .last(count)
        case (let first?, let last?) where first <= last:
            let (length, overflows) = (last - first).addingReportingOverflow(1)
            self = .from(offset: first, length: overflows ? nil : length)
        default: throw mistake
        }
    }

    /// What it is of a file of `size` bytes; empty where it lies behind the file's end.
    package func range(of size: UInt64) -> Range<UInt64> {
        switch self {
        case .from(let offset, let length):
            let start = min(offset, size)
            return start..<(start + min(length ?? .max, size - start))
        case .last(let count): return (size - min(count, size))..<size
        }
    }
}
