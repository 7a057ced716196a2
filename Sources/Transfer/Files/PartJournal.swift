import Checksums
import Glibc
import Kernel
import NFS
import Synchronization

/// What of a fetched file is there and right, for servers that make no checksums: kept behind the file's end in its part,
/// and cut off before the part gets its name.
///
/// A page says which file it is of, by its number, size and times. Behind it is a slot for each stretch of the file, with
/// the XXH3 checksum of the stretch once it is complete; zeros until then. After a kill, or a crash that lost pages, the
/// stretches are read at this end and compared: nothing that is written here is trusted.
final class PartJournal: Sendable {
    private static let page: UInt64 = 4096
    private static let slot: UInt64 = 16

    let stretch: UInt64
    private let file: SharedDescriptor
    private let size: UInt64
    /// Where it begins in the part.
    private let start: UInt64
    private let header: [UInt8]
    /// Bytes that are still to come of stretches under way, by their numbers.
    private let left = Mutex<[UInt64: UInt64]>([:])

    /// - Parameters:
    ///   - source: as it was when the copy began.
    ///   - file: the part.
    init(of source: FileAttributes, in file: SharedDescriptor) {
        self.file = file
        size = source.size
        stretch = Resume.blockSize(of: size)
        start = (size + Self.page - 1) / Self.page * Self.page
        var header = Array("xfer part 1\n".utf8)
        let times = [source.modificationTime, source.changeTime].flatMap {
            [UInt64($0.seconds), UInt64($0.nanoseconds)]
        }
        for number in [stretch, size, source.fileSystem, source.fileID] + times {
            withUnsafeBytes(of: number.bigEndian) { header += $0 }
        }
        self.header = header + [UInt8](repeating: 0, count: Int(Self.page) - header.count)
    }

    /// Whether it pays for a file.
    static func isFor(size: UInt64) -> Bool { size >= 2 * Resume.minimum && size < 1 << 62 }

    /// The stretches that an earlier run has fetched of the same source and that are right, when their checksums are made
    /// again.
    ///
    /// - Parameters:
    ///   - path: for errors.
    ///   - flight: is told of what is there.
    func verified(_ path: String, _ flight: FileInFlight) async throws -> RangeList {
        var right = RangeList()
        guard try local(path, { () throws(SystemError) in try isOfSource() }) else { return right }
        var slots: [UInt8] = []
        for number in 0..<count {
            try Task.checkCancellation()
            // Read some at a time: a large file has tens of thousands.
            let at = Int(number % 256) * Int(Self.slot)
            if at == 0 {
                slots = try local(path) { () throws(SystemError) in
                    try Files.read(file.raw, count: 256 * Int(Self.slot), at: place(number))
                }
            }
            guard slots.count >= at + Int(Self.slot) else { break }
            let kept = Array(slots[at..<(at + Int(Self.slot))])
            guard kept.contains(where: { $0 != 0 }) else { continue }
            let range = range(number)
            let found = try await PartVerification.local(file, range, blockSize: stretch, named: path)
            guard found.first?.bytes == kept else { continue }
            right.append(range)
            flight.moved(Int(clamping: range.count))
        }
        return right
    }

    /// Begins anew, with `right` as what is there: its slots stay.
    func begin(_ right: RangeList) throws(SystemError) {
        if right.isEmpty {
            try systemCall("ftruncate") { ftruncate(file.raw, 0) }
            try systemCall("ftruncate") { ftruncate(file.raw, off_t(clamping: start)) }
        }
        try Files.write(file.raw, header, at: start)
    }

    /// A piece of a stretch is there; with the last one of it, its checksum is noted.
    ///
    /// - Parameter piece: crosses no multiple of ``stretch``.
    func finished(_ piece: Range<UInt64>) throws(SystemError) {
        let number = piece.lowerBound / stretch
        let whole = range(number)
        let isComplete = left.withLock { left in
            let rest = (left[number] ?? UInt64(whole.count)) - min(UInt64(piece.count), left[number] ?? .max)
            left[number] = rest == 0 ? nil : rest
            return rest == 0
        }
        guard isComplete else { return }
        let checksum = try FileChecksum.of(file.raw, whole, .xxh3).checksum
        try Files.write(file.raw, checksum.bytes, at: place(number))
    }

    private func isOfSource() throws(SystemError) -> Bool {
        try Files.read(file.raw, count: header.count, at: start) == header
    }

    private var count: UInt64 { (size + stretch - 1) / stretch }
    private func place(_ number: UInt64) -> UInt64 { start + Self.page + number * Self.slot }

    private func range(_ number: UInt64) -> Range<UInt64> {
        number * stretch..<min(size, (number + 1) * stretch)
    }
}
