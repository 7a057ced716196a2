import Synchronization

/// A block of memory for records; aligned for the cipher's vector loads.
package final class Block: @unchecked Sendable {
    // Unchecked: a block has one user at a time, the half of the channel that took it from the pool.
    package let bytes: UnsafeMutableRawBufferPointer

    package init(_ count: Int) { bytes = .allocate(byteCount: count, alignment: 64) }

    deinit { bytes.deallocate() }

    package var start: UnsafeMutableRawPointer {
        // A buffer of more than no bytes has an address.
        bytes.baseAddress.unsafelyUnwrapped
    }
}

/// Blocks between two uses: an idle connection holds none.
final class BlockPool: Sendable {
    static let records = BlockPool(size: RecordBlock.size, kept: 8)

    private let size: Int
    private let kept: Int
    private let free = Mutex<[Block]>([])

    /// - Parameters:
    ///   - size: bytes of each block.
    ///   - kept: blocks that wait for their next use; more are given back to the system.
    init(size: Int, kept: Int) {
        self.size = size
        self.kept = kept
    }

    func take() -> Block { free.withLock { $0.popLast() } ?? Block(size) }

    func give(_ block: Block) {
        free.withLock { if $0.count < kept { $0.append(block) } }
    }
}

/// How many records are sealed, sent, received and opened together: enough to make system calls few, few enough to stay in a
/// processor's second-level cache from the first touch to the last.
package enum RecordBlock {
    package static let records = 32
    /// Bytes of one full record.
    package static let slot = Record.maximumPlaintext + Record.overhead
    package static let size = records * slot
    /// Free bytes of a block for which one more recv(2) is worth its while.
    package static let roomAhead = 4 * slot
}
