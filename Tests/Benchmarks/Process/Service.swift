import Glibc
import Kernel
import TestSupport

/// A server that runs while others are measured.
final class Service {
    let program: RunningProgram

    init(_ arguments: [String]) throws {
        program = try RunningProgram(arguments)
        Cleanup.add(program.process)
    }

    var process: pid_t { program.process }

    func stop() {
        _ = try? program.stop()
        Cleanup.remove(program.process)
    }

    /// Waits until somebody answers at a port of loopback.
    func answers(at port: UInt16) throws {
        guard let address = try SocketAddress.resolve("127.0.0.1", port: port).first else { return }
        let deadline = Deadline.after(seconds: 20)
        while true {
            if (try? Socket.connect(to: address, until: .after(seconds: 1))) != nil { return }
            if let status = program.ended { throw Unexpected("\(program.name) ended (\(status)): \(program.error)") }
            if deadline.hasPassed { throw Unexpected("\(program.name) does not answer: \(program.error)") }
            usleep(10_000)
        }
    }

    /// A port of loopback where nobody listens just now, for programs that cannot say which one they got.
    static func freePort() throws -> UInt16 {
        guard let address = try SocketAddress.resolve("127.0.0.1", port: 0).first else {
            throw Unexpected("127.0.0.1 is no address here")
        }
        let listener = try Socket.listen(on: address)
        return try Socket.local(listener.raw).port
    }
}
