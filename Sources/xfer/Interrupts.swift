import Glibc
import Kernel
import Synchronization

/// Ctrl-C and SIGTERM: the first has the work end in order, temporary files removed; the second ends the process.
enum Interrupts {
    /// What runs and is to be told at the first signal, by number.
    private struct State {
        var isListening = false
        var isInterrupted = false
        var next = 0
        var running: [Int: @Sendable () -> Void] = [:]
    }
    private static let state = Mutex(State())

    /// Seconds after the first signal when the process ends, cleaned up or not: a little more than a session takes to give
    /// up its cleaning.
    private static let patience = 8.0

    /// Keeps the signals for ``run(onSignal:_:)`` and for the display. Called before there are threads, which inherit it.
    static func block() {
        var set = sigset_t()
        sigemptyset(&set)
        sigaddset(&set, SIGINT)
        sigaddset(&set, SIGTERM)
        // The display asks whether it came; a stopped process goes on all the same.
        sigaddset(&set, SIGCONT)
        pthread_sigmask(SIG_BLOCK, &set, nil)
        SignalDescriptor.ignoreBrokenPipes()
    }

    /// Whether the first signal has come.
    static var isInterrupted: Bool { state.withLock { $0.isInterrupted } }

    /// Runs `body` in a task that the first signal cancels. May be called many times, at once too.
    ///
    /// - Parameter onSignal: called at the first signal, on a thread of its own: to let go of what the task waits for.
    /// - Throws: ``ExitStatus/interrupted`` where the signal came; otherwise what `body` throws.
    static func run<R: Sendable>(
        onSignal: @escaping @Sendable () -> Void = {}, _ body: @escaping @Sendable () async throws -> R
    ) async throws -> R {
        try listen()
        let task = Task { try await body() }
        let number = state.withLock { state -> Int? in
            if state.isInterrupted { return nil }
            state.next += 1
            state.running[state.next] = {
                task.cancel()
                onSignal()
            }
            return state.next
        }
        if number == nil {
            task.cancel()
            onSignal()
        }
        defer { if let number { _ = state.withLock { $0.running.removeValue(forKey: number) } } }
        do {
            let result = try await task.value
            if task.isCancelled { throw ExitStatus.interrupted }
            return result
        } catch  where task.isCancelled {
            throw ExitStatus.interrupted
        }
    }

    /// Starts the thread that waits for the signals, once.
    private static func listen() throws {
        let isFirst = state.withLock { state in
            defer { state.isListening = true }
            return !state.isListening
        }
        guard isFirst else { return }
        try Thread.detached("signals") {
            guard let signals = try? SignalDescriptor([SIGINT, SIGTERM]), (try? signals.next()) != nil else { return }
            let running = state.withLock { state in
                state.isInterrupted = true
                return Array(state.running.values)
            }
            Messages.write("xfer: interrupted; cleaning up (again to leave at once)")
            for tell in running { tell() }
            if (try? Poll.wait(signals.raw, for: Poll.readable, until: .after(seconds: patience))) == 0 {
                Messages.write("xfer: cleaning up takes too long: temporary files (.NAME.*.xfer) may be left")
            }
            Screen.shared.clear()
            Glibc._exit(ExitStatus.interrupted.rawValue)
        }
    }
}
