import CLinux
import Glibc
import Kernel
import TestSupport

/// A program that is run to its end and measured: how long it took, and what it and its children used.
final class TimedProgram {
    /// How it went.
    struct Outcome {
        /// From before it was started until it had ended.
        let seconds: Double
        /// Of it and of the children it waited for: wait4(2).
        let use: ProcessorTime
        /// The largest resident set of each program by its name, in bytes: proc(5), VmHWM.
        let peaks: [String: Int]
    }

    let process: pid_t
    private let began: UInt64
    private let name: String
    private let errors: String
    private let watch: PeakWatch?

    /// - Parameters:
    ///   - arguments: the first is the program, by its path or its name in PATH.
    ///   - errors: the file that its standard error goes to.
    ///   - output: its standard output; nil: /dev/null.
    ///   - isWatched: whether to look at its memory while it runs.
    init(_ arguments: [String], home: String, errors: String, output: Int32? = nil, isWatched: Bool = true) throws {
        name = arguments.joined(separator: " ")
        self.errors = errors
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        if let output {
            posix_spawn_file_actions_adddup2(&actions, output, 1)
        } else {
            posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
        }
        posix_spawn_file_actions_addopen(&actions, 2, errors, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        clinux_spawn_close_from(&actions, 3)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

        var words = arguments.map { strdup($0) } + [nil]
        // Nobody's own settings: neither ~/.curlrc nor ~/.ssh/config nor a proxy.
        var settings = (["PATH=\(Self.path)", "HOME=\(home)", "LC_ALL=C.UTF-8"] as [String]).map { strdup($0) } + [nil]
        defer { for word in words + settings { free(word) } }
        began = Deadline.clock
        var started: pid_t = 0
        let result = posix_spawnp(&started, arguments[0], &actions, &attributes, &words, &settings)
        guard result == 0 else { throw Unexpected("\(arguments[0]): \(String(cString: strerror(result)))") }
        process = started
        Cleanup.add(started)
        watch = isWatched ? try PeakWatch(started) : nil
    }

    private static let path = (getenv("PATH").map { String(cString: $0) } ?? "/usr/bin:/bin") + ":/usr/sbin:/sbin"

    /// Seconds since it was started.
    var elapsed: Double { Double(Deadline.clock - began) / 1e9 }

    /// Waits for its end.
    ///
    /// - Throws: where its exit status is not 0, with what it said.
    func wait() throws -> Outcome {
        var status: Int32 = 0
        var usage = rusage()
        while wait4(process, &status, 0, &usage) < 0 && errno == EINTR {}
        let seconds = elapsed
        Cleanup.remove(process)
        let peaks = watch?.stop() ?? [:]
        guard status == 0 else {
            let said = String(decoding: bytes(of: errors) ?? [], as: UTF8.self)
            let signal = status & 0x7f
            throw Unexpected("\(name): \(signal == 0 ? "status \(status >> 8)" : "signal \(signal)"): \(said)")
        }
        return Outcome(
            seconds: seconds,
            use: ProcessorTime(user: Self.seconds(usage.ru_utime), system: Self.seconds(usage.ru_stime)), peaks: peaks)
    }

    private static func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }

    /// Runs a program whose time is nobody's interest.
    ///
    /// - Returns: its standard error.
    @discardableResult
    static func run(_ arguments: [String], _ workspace: Workspace, output: Int32? = nil) throws -> String {
        let errors = workspace.path("log/command")
        _ = try TimedProgram(arguments, home: workspace.path("home"), errors: errors, output: output).wait()
        return String(decoding: bytes(of: errors) ?? [], as: UTF8.self)
    }
}

/// Looks while a program runs how much memory it and its children have at most.
private final class PeakWatch: Sendable {
    private let isOver = Condition(false)
    private let running: Running<[String: Int]>

    /// Between two looks, in seconds; VmHWM only grows, so that nothing but the last of a process is missed.
    private static let interval = 0.02

    init(_ process: pid_t) throws {
        let isOver = isOver
        running = try Running {
            var peaks: [String: Int] = [:]
            while isOver.wait(until: .after(seconds: Self.interval), { $0 ? true : nil }) == nil {
                for (name, peak) in ProcessTree(process).peaks { peaks[name] = max(peaks[name] ?? 0, peak) }
            }
            return peaks
        }
    }

    func stop() -> [String: Int] {
        isOver.withLock(wake: true) { $0 = true }
        return (try? running.value()) ?? [:]
    }
}
