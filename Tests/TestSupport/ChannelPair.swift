package import Kernel
package import SecureChannel
import Synchronization

/// Two channels over loopback with secrets as a handshake would leave them.
package final class ChannelPair: Sendable {
    package let link: Link
    package let secrets: SessionSecrets
    package let client: Channel
    package let server: Channel

    package init(
        _ client: Channel.Layer, _ server: Channel.Layer, suite: CipherSuite = .aes128GCM,
        limits: (client: KeyLimits, server: KeyLimits) = (.client, .server)
    ) throws {
        link = try Link()
        secrets = TestSecrets.make(suite)
        self.client = try TestSecrets.channel(client, link.client, secrets, .client, limits.client)
        self.server = try TestSecrets.channel(server, link.server, secrets, .server, limits.server)
    }

    package convenience init(_ layers: LayerPair, suite: CipherSuite = .aes128GCM) throws {
        try self.init(layers.client, layers.server, suite: suite)
    }
}

package enum TestSecrets {
    /// Of the right length, and different for each direction.
    package static func make(_ suite: CipherSuite) -> SessionSecrets {
        SessionSecrets(
            suite: suite, client: Secret(pattern(suite.secretLength, seed: 11)),
            server: Secret(pattern(suite.secretLength, seed: 12)))
    }

    /// One end.
    package static func channel(
        _ layer: Channel.Layer, _ socket: SharedDescriptor, _ secrets: SessionSecrets, _ role: Channel.Role,
        _ limits: KeyLimits = .server
    ) throws -> Channel {
        switch layer {
        case .cleartext: return .cleartext(socket)
        case .user: return .user(socket, secrets: secrets, role: role, limits: limits, session: socket)
        case .kernel:
            try KernelTLS.install(secrets, on: socket.raw, role: role)
            return .kernel(socket, rekeyer: DirectRekeyer(socket, secrets, role), limits: limits)
        }
    }
}

/// Gives the kernel its next keys without a daemon.
package final class DirectRekeyer: Rekeyer {
    private let socket: SharedDescriptor
    private let suite: CipherSuite
    private let keys: Mutex<(send: Secret, receive: Secret)>

    package init(_ socket: SharedDescriptor, _ secrets: SessionSecrets, _ role: Channel.Role) {
        self.socket = socket
        suite = secrets.suite
        keys = Mutex(
            role == .client ? (secrets.client, secrets.server) : (secrets.server, secrets.client))
    }

    package var isReady: Bool { KernelTLS.canRekey }

    package func rekey(_ direction: RekeyDirection) throws(ChannelError) {
        do throws(SystemError) {
            try keys.withLock { keys throws(SystemError) in
                let next = KeySchedule.next(direction == .send ? keys.send : keys.receive, suite: suite)
                try KernelTLS.install(next, suite: suite, on: socket.raw, direction: direction)
                if direction == .send { keys.send = next } else { keys.receive = next }
            }
        } catch {
            throw .cannotRekey("\(error)")
        }
    }
}
