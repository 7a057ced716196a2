import Kernel
import Synchronization

/// Empty pipes between two splices: an idle connection holds none.
final class PipePool: Sendable {
    static let shared = PipePool()

    /// Bytes of a pipe: a record takes up to five pages, and a pipe of 64 KiB has only sixteen.
    private static let capacity = 1 << 20
    private static let kept = 8

    /// A pipe in use by one thread.
    final class Lease: @unchecked Sendable {
        // Unchecked: between two uses the pool alone holds it, under its lock.
        private let pipe: Pipe
        fileprivate private(set) var spoiled = false

        fileprivate init() throws(SystemError) { pipe = try Pipe(capacity: PipePool.capacity) }

        var readEnd: Int32 { pipe.readEnd.raw }
        var writeEnd: Int32 { pipe.writeEnd.raw }
        var capacity: Int { pipe.capacity }

        /// Says that bytes are left in it, so that nobody gets it again.
        func spoil() { spoiled = true }
    }

    private let free = Mutex<[Lease]>([])

    func withPipe<R>(_ body: (Lease) throws(SystemError) -> R) throws(SystemError) -> R {
        let lease: Lease
        if let kept = free.withLock({ $0.popLast() }) { lease = kept } else { lease = try Lease() }
        defer {
            if !lease.spoiled { free.withLock { if $0.count < Self.kept { $0.append(lease) } } }
        }
        return try body(lease)
    }
}
