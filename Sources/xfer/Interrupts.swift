import Glibc
import Kernel
import Synchronization

/// Ctrl-C and SIGTERM: the first has the work end in order, temporary files removed; the second ends the process.
enum Interrupts {
    /// Keeps the signals for ``watch()``. Called before there are threads, which inherit it.
    static func block() {
        var set = sigset_t()
        sigemptyset(&set)
        sigaddset(&set, SIGINT)
        sigaddset(&set, SIGTERM)
        pthread_sigmask(SIG_BLOCK, &set, nil)
        SignalDescriptor.ignoreBrokenPipes()
    }

    private struct State {
        var isWatched = false
        var wasInterrupted = false
        /// Cancels what runs.
        var cancel: (@Sendable () -> Void)?
    }
    private static let state = Mutex(State())

    /// Runs `body` in a task that the first signal cancels. One at a time: a command may do so for one server after another.
    static func run<R: Sendable>(_ body: @escaping @Sendable () async throws -> R) async throws -> R {
        let task = Task { try await body() }
        let isFirst = state.withLock { state in
            defer { state.isWatched = true }
            state.cancel = { task.cancel() }
            if state.wasInterrupted { task.cancel() }
            return !state.isWatched
        }
        if isFirst { try Thread.detached("signals") { watch() } }
        do {
            let result = try await task.value
            if task.isCancelled { throw ExitStatus.interrupted }
            return result
        } catch  where task.isCancelled {
            throw ExitStatus.interrupted
        }
    }

    private static func watch() {
        guard let signals = try? SignalDescriptor([SIGINT, SIGTERM]), (try? signals.next()) != nil else { return }
        state.withLock { state in
            state.wasInterrupted = true
            state.cancel?()
        }
        if isatty(STDERR_FILENO) == 1 { Messages.raw("\r\u{1b}[K") }
        Messages.write("xfer: interrupted; cleaning up (again to leave at once)")
        _ = try? signals.next()
        Glibc._exit(ExitStatus.interrupted.rawValue)
    }
}
