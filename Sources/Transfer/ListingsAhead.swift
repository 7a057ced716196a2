import Kernel
import NFS
import Synchronization

/// First pages of directories that will be listed soon, asked for while others are being looked at: one call for each
/// directory of a deep tree would otherwise wait for the one before.
final class ListingsAhead: Sendable {
    private struct Page {
        let asked: UInt64
        let task: Task<DirectoryListing, any Error>
    }

    private let pages = Mutex<[FileHandle: Page]>([:])
    /// Pages at once: one may be a megabyte.
    private static let limit = 32
    /// Nanoseconds that a page is good for: whoever lists a directory later wants to see what has come since.
    private static let age: UInt64 = 2_000_000_000

    /// - Parameter ask: makes the call.
    func begin(_ directory: FileHandle, _ ask: @escaping @Sendable () async throws -> DirectoryListing) {
        pages.withLock { pages in
            let now = Deadline.clock
            // Some are never taken: what was to be listed was left out after all.
            if pages.count >= Self.limit { pages = pages.filter { now - $0.value.asked < Self.age } }
            guard pages.count < Self.limit, pages[directory] == nil else { return }
            pages[directory] = Page(asked: now, task: Task { try await ask() })
        }
    }

    /// Nil where the directory was not asked for, or not with success: then the call that is made anew says why.
    func take(_ directory: FileHandle) async -> DirectoryListing? {
        guard let page = pages.withLock({ $0.removeValue(forKey: directory) }),
            Deadline.clock - page.asked < Self.age
        else { return nil }
        return try? await page.task.value
    }
}
