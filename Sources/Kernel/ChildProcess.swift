package import CLinux
import Glibc
import Synchronization
import SystemPackage

/// A program started as a child that ends with its parent: its standard input is a pipe whose other end the parent holds, and
/// that it watches.
package final class ChildProcess: Sendable {
    package let process: pid_t
    /// The end of the pipe that says to the child that its parent lives.
    private let lifeline: SharedDescriptor
    /// Its exit status, once it was waited for.
    private let ended = Mutex<Int32?>(nil)

    /// - Parameters:
    ///   - path: of the program.
    ///   - arguments: without the program's name.
    ///   - inherited: descriptors that the child has under the numbers 3, 4 and so on.
    ///   - output: what the child's standard output is; nil: the parent's.
    /// - Throws: ``SystemError`` naming the program.
    package init(
        _ path: String, _ arguments: [String], inherited: [Int32] = [], output: Int32? = nil
    ) throws(SystemError) {
        var ends: (Int32, Int32) = (-1, -1)
        try systemCall("pipe") {
            withUnsafeMutableBytes(of: &ends) { pipe($0.assumingMemoryBound(to: Int32.self).baseAddress) }
        }
        let input = Descriptor(takingOwnershipOf: ends.0)
        lifeline = SharedDescriptor(Descriptor(takingOwnershipOf: ends.1))
        _ = fcntl(ends.0, F_SETFD, FD_CLOEXEC)
        _ = fcntl(ends.1, F_SETFD, FD_CLOEXEC)

        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, input.raw, 0)
        if let output { posix_spawn_file_actions_adddup2(&actions, output, 1) }
        // Moved out of the way first: an inherited descriptor may have another one's new number.
        var moved: [SharedDescriptor] = []
        for descriptor in inherited {
            let high = try systemCall("fcntl") { fcntl(descriptor, F_DUPFD_CLOEXEC, 64) }
            moved.append(SharedDescriptor(Descriptor(takingOwnershipOf: high)))
        }
        for (index, box) in moved.enumerated() {
            posix_spawn_file_actions_adddup2(&actions, box.raw, Int32(3 + index))
        }

        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        // A group of its own: what the terminal sends on Ctrl-C is for the parent, which ends it in its own time.
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP))

        var words: [UnsafeMutablePointer<CChar>?] = ([path] + arguments).map { strdup($0) }
        words.append(nil)
        defer { for word in words { free(word) } }
        var process: pid_t = 0
        let result = posix_spawn(&process, path, &actions, &attributes, words, environ)
        guard result == 0 else { throw SystemError("posix_spawn", Errno(rawValue: result), on: path) }
        self.process = process
    }

    /// Asks it to end, waits for it, and returns its exit status; 128 and the signal's number where a signal ended it.
    @discardableResult
    package func stop() -> Int32 {
        ended.withLock { ended in
            // Once it was waited for, its number may be another process's.
            if let ended { return ended }
            kill(process, SIGTERM)
            return Self.wait(process, 0, &ended) ?? 0
        }
    }

    /// Waits until it ends.
    package func wait() -> Int32 { ended.withLock { ended in ended ?? Self.wait(process, 0, &ended) ?? 0 } }

    /// Its exit status where it has ended; nil while it runs.
    package func poll() -> Int32? { ended.withLock { ended in ended ?? Self.wait(process, WNOHANG, &ended) } }

    private static func wait(_ process: pid_t, _ options: Int32, _ ended: inout Int32?) -> Int32? {
        var status: Int32 = 0
        while true {
            let result = waitpid(process, &status, options)
            if result == process { ended = exitStatus(status) } else if result < 0 && errno == EINTR { continue }
            return ended
        }
    }

    private static func exitStatus(_ status: Int32) -> Int32 {
        let signal = status & 0x7f
        return signal == 0 ? (status >> 8) & 0xff : 128 + signal
    }

    /// Where the program of a name is: beside this one, or in PATH.
    package static func find(_ name: String) -> String? {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink("/proc/self/exe", &buffer, buffer.count)
        var directories: [String] = []
        if count > 0 {
            let own = String(decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
            if let slash = own.lastIndex(of: "/") { directories.append(String(own[..<slash])) }
        }
        if let path = getenv("PATH") { directories += String(cString: path).split(separator: ":").map(String.init) }
        return directories.map { "\($0)/\(name)" }.first { access($0, X_OK) == 0 }
    }
}
