/// The record marking of RPC over a stream: RFC 5531 section 11. A message is one or more fragments, each behind four bytes:
/// a bit that says whether it is the last, and its length.
enum RecordMark {
    static let length = 4
    static let lastFragment: UInt32 = 0x8000_0000

    /// The mark of a message that is one fragment.
    ///
    /// - Parameter count: bytes of the message, less than 2^31.
    static func whole(_ count: Int) -> UInt32 { UInt32(truncatingIfNeeded: count) | lastFragment }
}

extension [UInt8] {
    /// Writes a big-endian word at `index`, where there is room for one.
    mutating func storeWord(_ word: UInt32, at index: Int) {
        withUnsafeMutableBytes { $0.storeBytes(of: word.bigEndian, toByteOffset: index, as: UInt32.self) }
    }
}

extension UnsafeRawBufferPointer {
    /// The big-endian word at `index`; nil where the bytes end before it does.
    package func word(at index: Int) -> UInt32? {
        guard index >= 0, count >= 4, index <= count - 4 else { return nil }
        return UInt32(bigEndian: loadUnaligned(fromByteOffset: index, as: UInt32.self))
    }

    /// The bytes from `index` on; none where there are no more.
    func from(_ index: Int) -> UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: dropFirst(index)) }
}
