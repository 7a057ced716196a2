import Glibc
import Kernel

/// Ctrl-C and SIGTERM: the first has the work end in order, temporary files removed; the second ends the process.
enum Interrupts {
    /// Keeps the signals for ``watch(_:)``. Called before there are threads, which inherit it.
    static func block() {
        var set = sigset_t()
        sigemptyset(&set)
        sigaddset(&set, SIGINT)
        sigaddset(&set, SIGTERM)
        pthread_sigmask(SIG_BLOCK, &set, nil)
        SignalDescriptor.ignoreBrokenPipes()
    }

    /// Runs `body` in a task that the first signal cancels.
    static func run<R: Sendable>(_ body: @escaping @Sendable () async throws -> R) async throws -> R {
        let task = Task { try await body() }
        try Thread.detached("signals") {
            guard let signals = try? SignalDescriptor([SIGINT, SIGTERM]), (try? signals.next()) != nil else { return }
            task.cancel()
            if isatty(STDERR_FILENO) == 1 { Messages.raw("\r\u{1b}[K") }
            Messages.write("xfer: interrupted; cleaning up (again to leave at once)")
            _ = try? signals.next()
            Glibc._exit(ExitStatus.interrupted.rawValue)
        }
        do {
            let result = try await task.value
            if task.isCancelled { throw ExitStatus.interrupted }
            return result
        } catch  where task.isCancelled {
            throw ExitStatus.interrupted
        }
    }
}
