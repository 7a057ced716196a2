import CProtocol
import CUpcall
import Glibc
package import Kernel
package import SecureChannel
import SystemPackage

/// A handshake daemon as an engine sees it: where its socket is and how to have it secure a connection.
package struct HandshakeDaemon: Sendable {
    /// The AF_LOCAL socket's path.
    package let path: String
    /// Client: tlscd. Server: tlssd.
    package let role: Channel.Role
    package let recordLayer: RecordLayerChoice

    /// Of the connections it secures.
    package var keyLimits: KeyLimits

    package init(path: String, role: Channel.Role, recordLayer: RecordLayerChoice) {
        keyLimits = role == .client ? .client : .server
        self.path = path
        self.role = role
        self.recordLayer = recordLayer
    }

    private var name: String { role == .client ? "tlscd" : "tlssd" }
    private var program: UInt32 { role == .client ? UInt32(TLSCD) : UInt32(TLSSD) }

    /// Has the daemon secure a connection: the upcall CONNECT of Protocol/tlscd.x or tlssd.x.
    ///
    /// Blocks until the handshake is over, the request's deadline at the latest and ten seconds more where the daemon hangs.
    ///
    /// - Parameter socket: connected TCP at the first byte of the handshake. It is of no use after a failure.
    package func secure(
        _ socket: SharedDescriptor, _ request: HandshakeRequest
    ) throws(HandshakeFailure) -> SecuredConnection {
        let upcall = try open(until: request.deadline)
        // Less than zero is for ever, for which the upcall has no word.
        let left = request.deadline.pollTimeout
        let milliseconds = UInt32(left < 0 ? .max : left)
        let secured: UpcallCoding.Secured
        var arguments = tls_connect_args()
        arguments.peer_name = UpcallCoding.string(request.peerName, limit: TLS_MAXNAME)
        arguments.certificate_name = UpcallCoding.string("", limit: TLS_MAXNAME)
        arguments.mutual = request.mutual ? 1 : 0
        arguments.layer =
            switch recordLayer {
            case .auto: TLS_LAYER_AUTO
            case .kernel: TLS_LAYER_WANT_KERNEL
            case .user: TLS_LAYER_WANT_USER
            }
        arguments.deadline_milliseconds = milliseconds
        defer {
            free(arguments.peer_name)
            free(arguments.certificate_name)
        }
        var result = tls_connect_res()
        // The daemon keeps the deadline, and counts from when it takes the call: on a machine with much to do that is later.
        let patience = milliseconds.addingReportingOverflow(10_000)
        try upcall.connect(
            socket, arguments, &result, milliseconds: patience.overflow ? .max : patience.partialValue, daemon: name)
        defer { upcall_free_connect(&result) }
        secured = try UpcallCoding.decode(result)
        let channel =
            if let secrets = secured.secrets {
                Channel.user(socket, secrets: secrets, role: role, limits: keyLimits, session: upcall)
            } else {
                Channel.kernel(socket, rekeyer: upcall, limits: keyLimits)
            }
        return SecuredConnection(
            channel: channel, suite: secured.suite, peer: secured.peer, applicationProtocol: secured.applicationProtocol
        )
    }

    /// Whether the daemon is there and answers.
    package func isRunning() -> Bool { (try? open(until: .after(seconds: 2)))?.answers() ?? false }

    private func open(until deadline: Deadline) throws(HandshakeFailure) -> Upcall {
        do throws(SystemError) {
            let socket = try Socket.connect(to: SocketAddress(path: path), until: deadline)
            try socket.setNonblocking(false)
            guard let upcall = Upcall(takingOwnershipOf: socket, program: program) else {
                throw SystemError("clnt_vc_create", .noMemory)
            }
            return upcall
        } catch {
            throw HandshakeFailure(
                .local, "cannot reach \(name) at \(path): \(error.errno) (is it running, and may this user use it?)")
        }
    }
}

/// A connection whose handshake succeeded.
package struct SecuredConnection: Sendable {
    package let channel: Channel
    package let suite: CipherSuite
    package let peer: PeerIdentity?
    package let applicationProtocol: String?
}
