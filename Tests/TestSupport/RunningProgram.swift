package import CLinux
import Glibc
import Kernel

/// A program that runs: what it writes is there as it comes, and whoever waits for it wakes when it does.
package final class RunningProgram: Sendable {
    private struct State {
        var output: [UInt8] = []
        var error: [UInt8] = []
        var open = 2
        /// Exit status; 128 and the signal's number where a signal ended it.
        var ended: Int32?
    }

    package let process: pid_t
    package let name: String
    private let state = Condition(State())
    private static let starting = SpawnLock()

    /// - Parameters:
    ///   - arguments: the first is the program's path, or its name where it is in PATH.
    ///   - environment: NAME=VALUE, in place of the test's own of that name.
    ///   - input: the file that is its standard input.
    package init(
        _ arguments: [String], environment: [String] = [], directory: String? = nil, input: String = "/dev/null"
    ) throws {
        name = arguments[0].split(separator: "/").last.map(String.init) ?? arguments[0]
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, input, O_RDONLY, 0)
        // Between pipe and FD_CLOEXEC no other test may start a program, which would hold the pipe open.
        Self.starting.lock()
        defer { Self.starting.unlock() }
        let (output, error) = (try Self.pipe(), try Self.pipe())
        posix_spawn_file_actions_adddup2(&actions, output.write.raw, 1)
        posix_spawn_file_actions_adddup2(&actions, error.write.raw, 2)
        // Nothing of the many tests that run beside this one.
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

        var variables: [String] = []
        var variable = environ
        while let entry = variable.pointee {
            let text = String(cString: entry)
            let prefix = text.prefix { $0 != "=" } + "="
            if !environment.contains(where: { $0.hasPrefix(prefix) }) { variables.append(text) }
            variable += 1
        }
        let arguments = (directory.map { ["env", "-C", $0] } ?? []) + arguments
        var words = arguments.map { strdup($0) } + [nil]
        var settings = (variables + environment).map { strdup($0) } + [nil]
        defer { for word in words + settings { free(word) } }
        var started: pid_t = 0
        let result = posix_spawnp(&started, arguments[0], &actions, &attributes, &words, &settings)
        guard result == 0 else { throw Unexpected("\(arguments[0]): \(String(cString: strerror(result)))") }
        let process = started
        self.process = process

        let state = state
        for (stream, end) in [(\State.output, output.read), (\State.error, error.read)]
            as [(WritableKeyPath<State, [UInt8]> & Sendable, SharedDescriptor)]
        {
            try Thread.detached("read") {
                var buffer = [UInt8](repeating: 0, count: 65536)
                while true {
                    let count = read(end.raw, &buffer, buffer.count)
                    if count < 0 && errno == EINTR { continue }
                    state.withLock(wake: true) { state in
                        if count > 0 { state[keyPath: stream] += buffer.prefix(count) } else { state.open -= 1 }
                    }
                    if count <= 0 { return }
                }
            }
        }
        try Thread.detached("wait") {
            var status: Int32 = 0
            while waitpid(process, &status, 0) < 0 && errno == EINTR {}
            let signal = status & 0x7f
            let code = signal == 0 ? (status >> 8) & 0xff : 128 + signal
            state.withLock(wake: true) { $0.ended = code }
        }
    }

    deinit { if ended == nil { Glibc.kill(process, SIGKILL) } }

    private static func pipe() throws -> (read: SharedDescriptor, write: SharedDescriptor) {
        var ends: [Int32] = [-1, -1]
        guard Glibc.pipe(&ends) == 0 else { throw Unexpected("pipe: errno \(errno)") }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        return (
            SharedDescriptor(Descriptor(takingOwnershipOf: ends[0])),
            SharedDescriptor(Descriptor(takingOwnershipOf: ends[1]))
        )
    }

    package var ended: Int32? { state.withLock { $0.ended } }
    package var output: String { state.withLock { String(decoding: $0.output, as: UTF8.self) } }
    package var outputBytes: Int { state.withLock { $0.output.count } }
    package var error: String { state.withLock { String(decoding: $0.error, as: UTF8.self) } }

    package func signal(_ number: Int32) { if ended == nil { Glibc.kill(process, number) } }

    /// Waits until the program has ended and nobody holds its output any more, its children included.
    package func wait(seconds: Double = 90) throws -> Ended {
        let result = state.wait(until: .after(seconds: seconds)) { state -> Ended? in
            guard let status = state.ended, state.open == 0 else { return nil }
            return Ended(
                status: status, output: String(decoding: state.output, as: UTF8.self),
                error: String(decoding: state.error, as: UTF8.self))
        }
        if let result { return result }
        let was = ended.map { "it ended with \($0), but a child of it has not" } ?? "it still runs"
        signal(SIGKILL)
        throw Unexpected("\(name): \(was) after \(seconds) s; it said: \(error)")
    }

    /// Waits for a line of output that ends.
    package func line(seconds: Double = 30) throws -> String {
        try wait(seconds, "a line of output") { state in
            state.output.firstIndex(of: 10).map { String(decoding: state.output[..<$0], as: UTF8.self) }
        }
    }

    /// Waits until `text` has been written to standard error at least `count` times.
    package func logged(_ text: String, count: Int = 1, seconds: Double = 30) throws {
        _ = try wait(seconds, "'\(text)' in the log \(count) times") { state in
            let log = String(decoding: state.error, as: UTF8.self)
            return log.ranges(of: text).count >= count ? true : nil
        }
    }

    /// Waits until `text` has been written to standard output.
    package func printed(_ text: String, seconds: Double = 30) throws {
        _ = try wait(seconds, "'\(text)' in the output") { state in
            String(decoding: state.output, as: UTF8.self).contains(text) ? true : nil
        }
    }

    private func wait<R>(_ seconds: Double, _ what: String, _ body: (State) -> R?) throws -> R {
        let outcome = state.wait(until: .after(seconds: seconds)) { state -> (value: R?, ended: Bool)? in
            if let value = body(state) { return (value, false) }
            return state.ended != nil && state.open == 0 ? (nil, true) : nil
        }
        if let value = outcome?.value { return value }
        throw Unexpected("\(name): no \(what)\(outcome == nil ? " within \(seconds) s" : ""); it said: \(error)")
    }

    /// Asks it to end and waits for it.
    @discardableResult
    package func stop(seconds: Double = 20) throws -> Ended {
        signal(SIGTERM)
        return try wait(seconds: seconds)
    }

    /// The largest resident set so far, in KiB: proc(5), VmHWM.
    package var peakKiB: Int? {
        for line in contents(of: "/proc/\(process)/status").split(separator: "\n") where line.hasPrefix("VmHWM:") {
            return line.split(whereSeparator: { $0 == " " || $0 == "\t" }).dropFirst().first.flatMap { Int($0) }
        }
        return nil
    }
}

/// How a program ended and what it said.
package struct Ended: Sendable, CustomStringConvertible {
    package let status: Int32
    package let output: String
    package let error: String
    package var description: String { "status \(status), output: \(output)error: \(error)" }
}

/// Something that keeps a test from going on.
package struct Unexpected: Error, CustomStringConvertible {
    package let description: String
    package init(_ description: String) { self.description = description }
}

/// A lock that a scope holds.
private final class SpawnLock: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    init() { pthread_mutex_init(mutex, nil) }
    func lock() { pthread_mutex_lock(mutex) }
    func unlock() { pthread_mutex_unlock(mutex) }
}
