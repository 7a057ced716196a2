import Glibc
import Kernel
import Synchronization

/// What must not be left behind when the benchmark is stopped by a signal.
enum Cleanup {
    private struct State {
        var processes: Set<pid_t> = []
        var directory: String?
        var isStopping = false
    }

    private static let state = Mutex(State())

    static func add(_ process: pid_t) { state.withLock { _ = $0.processes.insert(process) } }
    static func remove(_ process: pid_t) { state.withLock { _ = $0.processes.remove(process) } }
    /// Whether a signal ends this process just now: what fails then fails because of that.
    static var isStopping: Bool { state.withLock { $0.isStopping } }
    static func set(directory: String?) { state.withLock { $0.directory = directory } }

    private final class Signals: Sendable {
        let descriptor: SignalDescriptor
        init() throws { descriptor = try SignalDescriptor([SIGINT, SIGTERM, SIGHUP]) }
    }

    /// Ends all of it on SIGINT, SIGTERM and SIGHUP, and this process too. To be called before any thread is started.
    static func onSignals() throws {
        let signals = try Signals()
        try Thread.detached("signals") {
            let signal = (try? signals.descriptor.next()) ?? SIGTERM
            let left = state.withLock { state in
                state.isStopping = true
                return state
            }
            for process in left.processes { kill(process, SIGTERM) }
            if let directory = left.directory {
                // The programs end meanwhile; what they still write goes with the second try.
                var process: pid_t = 0
                let script = "rm -rf \"$0\"; sleep 1; rm -rf \"$0\""
                let command: [String] = ["sh", "-c", script, directory]
                var words = command.map { strdup($0) } + [nil]
                if posix_spawnp(&process, "sh", nil, nil, &words, environ) == 0 { waitpid(process, nil, 0) }
            }
            _exit(128 + signal)
        }
    }
}
