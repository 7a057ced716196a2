package import Kernel
import SystemPackage

/// A step of the way to a secured connection, in their order.
package enum ConnectionStep: String, Sendable, CaseIterable {
    case resolve, connect
    /// The probe of RFC 9289 section 4.1.
    case startTLS = "STARTTLS"
    case handshake
}

/// The client engine's way from a host's name to a TCP connection: resolves it and tries each of its addresses in turn.
package struct Connector: Sendable {
    private let patience: Double
    private let reservedPort: Bool

    /// - Parameters:
    ///   - patience: seconds each address may take.
    ///   - reservedPort: whether to connect from a port below 1024, where this process may and one is free.
    package init(patience: Double, reservedPort: Bool) {
        self.patience = patience
        self.reservedPort = reservedPort
    }

    /// - Parameters:
    ///   - host: a DNS name or an address in digits.
    ///   - stepDone: told of each step that is done.
    /// - Returns: the connection, and for a person the name the user gave and which of its addresses was meant.
    package func connect(
        host: String, port: UInt16, stepDone: (ConnectionStep) -> Void = { _ in }
    ) throws(ClientSecurer.Failure) -> (socket: SharedDescriptor, address: String) {
        let addresses: [SocketAddress]
        do throws(ResolveError) {
            addresses = try SocketAddress.resolve(host, port: port)
        } catch {
            throw ClientSecurer.Failure(step: .resolve, address: host, reason: "\(error)")
        }
        stepDone(.resolve)
        var last = ClientSecurer.Failure(step: .resolve, address: host, reason: "'\(host)' has no address")
        for address in addresses {
            let label = address.host == host ? "\(address)" : "\(host) (\(address))"
            do throws(SystemError) {
                let socket = SharedDescriptor(try connect(to: address))
                stepDone(.connect)
                return (socket, label)
            } catch {
                let waited = error.errno == .timedOut ? " (waited \(patience) s)" : ""
                last = ClientSecurer.Failure(step: .connect, address: label, reason: "\(error.errno)\(waited)")
            }
        }
        throw last
    }

    private func connect(to address: SocketAddress) throws(SystemError) -> Descriptor {
        if reservedPort {
            do throws(SystemError) {
                return try Socket.connectReserved(to: address, until: .after(seconds: patience))
            } catch {
                switch error.errno {
                // Not root, no port is free, or one whose last connection to this server is not forgotten yet.
                case .permissionDenied, .notPermitted, .addressInUse, .addressNotAvailable: break
                default: throw error
                }
            }
        }
        return try Socket.connect(to: address, until: .after(seconds: patience))
    }
}
