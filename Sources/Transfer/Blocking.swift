import Kernel

/// Work that blocks for seconds, such as connecting: on a thread of its own, so that the engine's go on with other tasks.
enum Blocking {
    static func run<R: Sendable>(
        _ name: String, _ body: @escaping @Sendable () -> Result<R, TransferError>
    ) async throws(TransferError) -> R {
        let result = await withCheckedContinuation {
            (continuation: CheckedContinuation<Result<R, TransferError>, Never>) in
            do throws(SystemError) {
                try Thread.detached(name) { continuation.resume(returning: body()) }
            } catch {
                continuation.resume(returning: .failure(TransferError(.local, "\(error)")))
            }
        }
        return try result.get()
    }
}
