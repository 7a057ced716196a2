import Glibc
import Kernel
package import SecureChannel
import Synchronization
import SystemPackage

/// A handshake daemon of this process's own, for who has none running: a child that ends with it.
///
/// A tlscd that a signal ended is started again, as a service manager does with one that is no child: the next connection
/// of a transfer that goes on needs it.
package final class PrivateDaemon: Sendable {
    /// Where it answers: an abstract AF_LOCAL name, which leaves nothing behind.
    package let path: String
    private let state: Mutex<State>

    private struct State {
        var child: ChildProcess
        var isStopped = false
    }

    /// Files the daemon loads; nil: it has none.
    package struct Files: Sendable {
        package var certificate: String?
        package var key: String?
        package var anchors: String?

        package init(certificate: String? = nil, key: String? = nil, anchors: String? = nil) {
            self.certificate = certificate
            self.key = key
            self.anchors = anchors
        }
    }

    /// Starts it and waits until it answers.
    ///
    /// - Parameter more: further arguments.
    /// - Throws: ``HandshakeFailure``; what is wrong with the files the daemon has said on standard error.
    package init(_ role: Channel.Role, _ files: Files, more: [String] = []) throws(HandshakeFailure) {
        let name = role == .client ? "tlscd" : "tlssd"
        guard let program = ChildProcess.find(name) else {
            throw HandshakeFailure(.local, "\(name) is neither beside this program nor in PATH")
        }
        let path = "@tlsd-\(getpid())-\(UInt64.random(in: 0 ... .max))"
        var arguments = ["--listen-descriptor", "3", "--exit-with-standard-input"]
        if let certificate = files.certificate { arguments += ["--cert", certificate] }
        if let key = files.key { arguments += ["--key", key] }
        if let anchors = files.anchors { arguments += ["--ca", anchors] }
        self.path = path
        let all = arguments + more
        // Bound before it starts, so that a call can be made at once: it waits in the backlog until the daemon takes it.
        @Sendable func start() throws(SystemError) -> ChildProcess {
            let listener = try LocalListener.open(path)
            return try ChildProcess(program, all, inherited: [listener.raw])
        }
        do throws(SystemError) {
            state = Mutex(State(child: try start()))
        } catch {
            throw HandshakeFailure(.local, "cannot start \(name): \(error)")
        }
        guard HandshakeDaemon(path: path, role: role, recordLayer: .auto).isRunning() else {
            stop()
            throw HandshakeFailure(.local, "\(name) could not start: see what it said above")
        }
        guard role == .client else { return }
        do throws(SystemError) {
            try Thread.detached("tlscd") { [weak self] in
                while let child = self?.running {
                    Self.wait(for: child)
                    guard self?.replace(child, start) == true else { return }
                }
            }
        } catch {
            stop()
            throw HandshakeFailure(.local, "cannot watch \(name): \(error)")
        }
    }

    /// nil once there is to be none any more.
    private var running: ChildProcess? { state.withLock { $0.isStopped ? nil : $0.child } }

    /// Waits until it has ended, and leaves its exit status to ``ChildProcess``: waitid(2).
    private static func wait(for child: ChildProcess) {
        var information = siginfo_t()
        while waitid(P_PID, id_t(child.process), &information, WEXITED | WNOWAIT) < 0 && errno == EINTR {}
    }

    /// - Returns: false where there is to be no other one.
    private func replace(_ child: ChildProcess, _ start: () throws(SystemError) -> ChildProcess) -> Bool {
        state.withLock { state in
            // One that ended by itself has said why, and would again.
            guard !state.isStopped, let status = child.poll(), status > 128, let next = try? start() else {
                return false
            }
            state.child = next
            return true
        }
    }

    deinit { state.withLock { $0.isStopped = true } }

    /// Whether it has ended by itself, and its exit status.
    package var ended: Int32? { state.withLock { $0.child.poll() } }

    package func stop() {
        state.withLock { state in
            state.isStopped = true
            state.child.stop()
        }
    }
}
