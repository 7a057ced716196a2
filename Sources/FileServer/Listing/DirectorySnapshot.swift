import Kernel
import NFS

/// Names of a directory in the order of their cookies, as they were at one time: all of them, or as many as fit.
///
/// `.` and `..` are not among them: their cookies are 1 and 2, and those of names are greater.
struct DirectorySnapshot: Sendable {
    struct Item {
        let cookie: UInt64
        let inode: UInt64
        fileprivate var offset: UInt32
        fileprivate let length: UInt32
        fileprivate var range: Range<Int> { Int(offset)..<(Int(offset) + Int(length)) }
    }

    /// It has every name whose cookie is above `lower` and not above `upper`.
    let lower: UInt64
    private(set) var upper = UInt64.max
    private(set) var items: [Item] = []
    /// All names, one after the other.
    private var bytes: [UInt8] = []

    /// Reads a directory to its end.
    ///
    /// - Parameters:
    ///   - lower: the cookie after which names are wanted.
    ///   - limit: about how many bytes it may take; twice that while it reads.
    ///   - cookie: of a name.
    init(
        reading reader: inout DirectoryReader, after lower: UInt64, limit: Int,
        cookie: (UnsafeRawBufferPointer) -> UInt64
    ) throws(SystemError) {
        self.lower = lower
        while true {
            let more: Void? = try reader.next { inode, _, _, name in
                if name.elementsEqual([46]) || name.elementsEqual([46, 46]) { return }
                let cookie = cookie(name)
                guard cookie > lower, cookie <= upper else { return }
                items.append(
                    Item(
                        cookie: cookie, inode: inode, offset: UInt32(clamping: bytes.count),
                        length: UInt32(clamping: name.count)))
                bytes.append(contentsOf: name)
            }
            if more == nil { break }
            if size > 2 * limit { trim(to: limit) }
        }
        if size > limit { trim(to: limit) } else { sort() }
    }

    /// Bytes of memory, about.
    var size: Int { items.count * MemoryLayout<Item>.stride + bytes.count }

    func name(_ item: Item) -> FileName { FileName(bytes[item.range]) }

    /// Where the first item after a cookie is.
    func index(after cookie: UInt64) -> Int {
        var (low, high) = (0, items.count)
        while low < high {
            let middle = low + (high - low) / 2
            if items[middle].cookie <= cookie { low = middle + 1 } else { high = middle }
        }
        return low
    }

    private mutating func sort() {
        items.sort { [bytes] a, b in
            if a.cookie != b.cookie { return a.cookie < b.cookie }
            return bytes[a.range].lexicographicallyPrecedes(bytes[b.range])
        }
        // A file system without lasting positions may show an entry twice while others come and go.
        var kept: [Item] = []
        kept.reserveCapacity(items.count)
        for item in items {
            if let last = kept.last, last.cookie == item.cookie, bytes[last.range] == bytes[item.range] { continue }
            kept.append(item)
        }
        items = kept
    }

    /// Keeps the first names, never some of those that have one cookie.
    private mutating func trim(to limit: Int) {
        sort()
        var sum = 0
        guard
            let cut = items.firstIndex(where: {
                sum += MemoryLayout<Item>.stride + Int($0.length)
                return sum > limit
            })
        else { return }
        let bound = items[cut].cookie
        let whole = items[0].cookie < bound
        items.removeAll { whole ? $0.cookie >= bound : $0.cookie > bound }
        upper = whole ? bound - 1 : bound
        var compact: [UInt8] = []
        compact.reserveCapacity(limit)
        for index in items.indices {
            let range = items[index].range
            items[index].offset = UInt32(clamping: compact.count)
            compact.append(contentsOf: bytes[range])
        }
        bytes = compact
    }
}
