import CLinux
import Glibc
import Kernel
import TestSupport

/// Keeps a virtual machine's host from taking back memory that is free between two measurements, and has to be had from it
/// again by the next one: that takes longer than a copy, differs from run to run, and is nobody's merit.
///
/// A guest tells its host of free blocks of some size (the kernel's page_reporting). Here memory is taken, and given back but
/// for a page in each such block: what is free is in smaller blocks then, of which the host is told nothing.
final class KeptMemory {
    private let file: Descriptor

    /// Binary logarithm of the pages of the smallest block that a host is told of.
    private static let order = "/sys/module/page_reporting/parameters/page_reporting_order"

    /// - Parameters:
    ///   - bytes: how much is kept free.
    ///   - place: a directory in a memory file system.
    /// - Returns: nil where no host takes anything back.
    init?(_ bytes: Int, in place: String) throws {
        let text = contents(of: Self.order).split(whereSeparator: \.isWhitespace).first
        guard let order = text.flatMap({ Int($0) }), (2...20).contains(order) else { return nil }
        let page = sysconf(Int32(_SC_PAGESIZE))
        let name = "\(place)/kept"
        file = try Files.open(name, O_WRONLY | O_CREAT | O_TRUNC)
        unlink(name)
        try Self.fill(file, bytes)
        // The pages of a file need not begin where a block does: twice as many as there are blocks are in each of them.
        let step = page << (order - 1)
        for start in stride(from: 0, to: bytes, by: step) {
            try systemCall("fallocate") {
                clinux_punch_hole(file.raw, Int64(start + page), Int64(step - page))
            }
        }
    }

    /// Takes memory for so many bytes.
    static func fill(_ file: borrowing Descriptor, _ bytes: Int) throws {
        let zeros = [UInt8](repeating: 0, count: 1 << 20)
        for start in stride(from: 0, to: bytes, by: zeros.count) {
            try zeros.withUnsafeBytes {
                try Files.write(file.raw, UnsafeRawBufferPointer(rebasing: $0.prefix(bytes - start)), at: UInt64(start))
            }
        }
    }
}
