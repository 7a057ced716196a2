import Glibc
import Kernel

/// Where a relay's clients come in: listens on loopback, and connects each of them to a server of this machine. It ends with
/// its owner; connections that are there go on.
final class RelayEntrance: Sendable {
    let port: UInt16
    private let listener: SharedDescriptor

    /// - Parameters:
    ///   - target: the server's port, on loopback.
    ///   - connected: given the client's socket and the server's, on the thread that accepts.
    init(
        to target: UInt16,
        _ connected: @escaping @Sendable (_ client: SharedDescriptor, _ server: SharedDescriptor) -> Void
    ) throws {
        TestProcess.prepare()
        guard let address = try SocketAddress.resolve("127.0.0.1", port: 0).first,
            let server = try SocketAddress.resolve("127.0.0.1", port: target).first
        else { throw Unexpected("no address of loopback") }
        let listener = SharedDescriptor(try Socket.listen(on: address))
        self.listener = listener
        port = try Socket.local(listener.raw).port
        try Thread.detached("relay") {
            while ((try? Poll.wait(listener.raw, for: Poll.readable, until: .never)) ?? 0) != 0 {
                guard let accepted = try? Socket.accept(listener.raw) else { return }
                guard let made = try? Socket.connect(to: server, until: .after(seconds: 10)) else { continue }
                connected(SharedDescriptor(accepted), SharedDescriptor(made))
            }
        }
    }

    deinit { shutdown(listener.raw, Int32(SHUT_RDWR)) }
}
