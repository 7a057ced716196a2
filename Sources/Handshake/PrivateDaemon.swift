import Glibc
import Kernel
package import SecureChannel
import SystemPackage

/// A handshake daemon of this process's own, for who has none running: a child that ends with it.
package final class PrivateDaemon: Sendable {
    /// Where it answers: an abstract AF_LOCAL name, which leaves nothing behind.
    package let path: String
    private let child: ChildProcess

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
        path = "@tlsd-\(getpid())-\(UInt64.random(in: 0 ... .max))"
        var arguments = ["--listen-descriptor", "3", "--exit-with-standard-input"]
        if let certificate = files.certificate { arguments += ["--cert", certificate] }
        if let key = files.key { arguments += ["--key", key] }
        if let anchors = files.anchors { arguments += ["--ca", anchors] }
        do throws(SystemError) {
            // Bound here, so that a call can be made at once: it waits in the backlog until the daemon takes it.
            let listener = try LocalListener.open(path)
            child = try ChildProcess(program, arguments + more, inherited: [listener.raw])
        } catch {
            throw HandshakeFailure(.local, "cannot start \(name): \(error)")
        }
        guard HandshakeDaemon(path: path, role: role, recordLayer: .auto).isRunning() else {
            child.stop()
            throw HandshakeFailure(.local, "\(name) could not start: see what it said above")
        }
    }

    /// Whether it has ended by itself, and its exit status.
    package var ended: Int32? { child.poll() }

    package func stop() { child.stop() }
}
