package import Handshake
package import Kernel
package import Logging
package import RPC
import SecureChannel
import SystemPackage

/// A ``FileServer`` on the network: listening sockets, TLS by way of tlssd, and RPC.
package final class FileService: Sendable {
    private let server: Server
    private let stopping = Condition(false)
    private let janitor: Thread
    /// Where it listens; with the port the system chose where 0 was asked for.
    package let addresses: [String]
    package let ports: [UInt16]
    /// The same, for rpcbind.
    package let socketAddresses: [SocketAddress]

    /// Where to listen and how to protect.
    package struct Settings: Sendable {
        /// `host:port`, `[v6]:port` or `:port`.
        package var listen: [String] = [":2049"]
        /// Seconds a handshake may take.
        package var handshakePatience = 15.0
        /// Threads for each direction.
        package var workers = 4
        package var policy = ServerPolicy()

        package init() {}
    }

    /// - Throws: ``ListenError``, or ``SystemError`` where the process can have no more descriptors or threads.
    package init(_ files: FileServer, daemon: HandshakeDaemon, settings: Settings, log: Logger) throws {
        var listeners: [SharedDescriptor] = []
        var addresses: [String] = []
        var ports: [UInt16] = []
        var socketAddresses: [SocketAddress] = []
        for text in settings.listen {
            for address in try ListenError.resolve(text) {
                do throws(SystemError) {
                    let socket = SharedDescriptor(try Socket.listen(on: address))
                    let bound = try Socket.local(socket.raw)
                    addresses.append("\(bound)")
                    ports.append(bound.port)
                    socketAddresses.append(bound)
                    listeners.append(socket)
                } catch {
                    // A machine without IPv6 has its wildcard address in the resolver all the same.
                    if error.errno == .addressFamilyNotSupported && !listeners.isEmpty { continue }
                    throw ListenError(description: "--listen \(text): \(error)")
                }
            }
        }
        // A client without a certificate is turned away in the handshake, as long as no export would have it.
        let securer = ServerSecurer(
            daemon: daemon, mutual: { !files.isProtectionAsked(atMost: .tls) }, patience: settings.handshakePatience)
        server = try Server(
            listeners: listeners, programs: files.programs, policy: settings.policy, securer: securer, log: log)
        self.addresses = addresses
        self.ports = ports
        self.socketAddresses = socketAddresses
        let stopping = stopping
        janitor = try Thread("janitor") {
            // A file that was removed keeps its space on the disk as long as it is open here.
            while stopping.wait(until: .after(seconds: Self.idleSeconds), { $0 ? true : nil }) == nil {
                files.closeIdleFiles(after: Self.idleSeconds)
            }
        }
        files.checksumThreads.allow(settings.workers / 2)
        try server.start(workers: settings.workers)
        log.notice(
            "serving",
            metadata: [
                "addresses": "\(addresses.joined(separator: " "))",
                "exports": "\(files.exports.map(\.name).joined(separator: " "))",
            ])
    }

    /// Connections that are open.
    package var connectionCount: Int { server.connectionCount }

    /// How long a file stays open that nobody reads or writes.
    private static let idleSeconds = 30.0

    /// Ends all connections and waits for the threads.
    package func stop() {
        server.stop()
        stopping.withLock(wake: true) { $0 = true }
        janitor.join()
    }
}

/// An address that cannot be listened at.
package struct ListenError: Error, Sendable, CustomStringConvertible {
    package let description: String

    /// The addresses of `host:port`, `[v6]:port` or `:port`.
    static func resolve(_ text: String) throws(ListenError) -> [SocketAddress] {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
            throw ListenError(description: "--listen \(text): host:port is wanted, or :port for every address")
        }
        var host = String(text[..<colon])
        if host.hasPrefix("[") && host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        do throws(ResolveError) {
            return try SocketAddress.resolve(host, port: port, passive: true)
        } catch {
            throw ListenError(description: "--listen \(text): \(error)")
        }
    }
}
