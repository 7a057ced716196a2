import CProtocol
import CUpcall
import Glibc
import Kernel
import Logging
import RPC
import SecureChannel
import Synchronization
import SystemPackage

/// The daemon's end of one AF_LOCAL connection, and the TLS session it stands for once there is one.
final class UpcallSession: @unchecked Sendable {
    // Unchecked: `handle` is used by the one thread that has the epoll event; the rest is constant or under `state`.
    let handle: OpaquePointer
    /// Belongs to `handle`.
    let descriptor: Int32
    let token: UInt64
    let caller: PeerCredentials

    private struct State {
        var label: Logger.Metadata = [:]
        var established = false
        /// What REKEY needs; empty where the engine has the secrets itself.
        var suite: CipherSuite?
        var sending: Secret?
        var receiving: Secret?
        /// The TCP connection and the peer's certificate: kept for a session that has one, to end it when it is revoked.
        var socket: SharedDescriptor?
        var chain: [[UInt8]] = []
        var end: String?
    }
    private let state = Mutex(State())

    /// - Returns: nil where there is no memory for it.
    init?(takingOwnershipOf socket: consuming Descriptor, token: UInt64, caller: PeerCredentials) {
        let raw = socket.raw
        guard let handle = upcall_server_create(raw) else { return nil }
        _ = socket.release()
        self.handle = handle
        descriptor = raw
        self.token = token
        self.caller = caller
    }

    deinit { upcall_server_destroy(handle) }

    var isEstablished: Bool { state.withLock { $0.established } }

    /// The session in a log line: who, and how it is protected.
    var label: Logger.Metadata { state.withLock { $0.label } }

    /// The peer's certificate as ``HandshakeOutcome/chain`` has it; empty where there is none, or the session was ended.
    var chain: [[UInt8]] { state.withLock { $0.end == nil ? $0.chain : [] } }

    /// Ends the TLS session: shuts the TCP connection down, whoever has it, and tells the engine why.
    ///
    /// - Returns: whether this call did.
    func end(_ reason: String, role: Channel.Role) -> Bool {
        let socket = state.withLock { state -> SharedDescriptor? in
            guard state.end == nil else { return nil }
            state.end = reason
            return state.socket
        }
        guard let socket else { return false }
        // First, so that the engine finds the reason when it meets the end. An engine that cannot take it just meets the end.
        let text = UpcallCoding.string(reason, limit: TLS_MAXREASON)
        defer { free(text) }
        _ = upcall_send_ended(descriptor, UInt32(role == .client ? TLSCD : TLSSD), Upcall.version, text)
        Socket.shutdown(socket.raw)
        return true
    }

    func establish(
        _ outcome: HandshakeOutcome, on socket: SharedDescriptor, layer: Channel.Layer, role: Channel.Role, peer: String
    ) {
        state.withLock { state in
            state.established = true
            if !outcome.chain.isEmpty {
                state.socket = socket
                state.chain = outcome.chain
            }
            state.label = [
                "peer": "\(peer)", "protocol": "TLSv1.3", "cipher": "\(outcome.secrets.suite.name)",
                "layer": "\(layer)",
                "alpn": "\(outcome.applicationProtocol ?? "none")",
                "certificate": "\(outcome.peer.map { "\($0.subject) serial \($0.serial)" } ?? "none")",
            ]
            if let name = outcome.peer?.userName {
                let user = outcome.peer?.user.map { "uid \($0.uid)" } ?? "not mapped"
                state.label["user"] = "\(name) (\(user))"
            }
            if layer == .kernel {
                state.suite = outcome.secrets.suite
                (state.sending, state.receiving) =
                    role == .client
                    ? (outcome.secrets.client, outcome.secrets.server)
                    : (outcome.secrets.server, outcome.secrets.client)
            }
        }
    }

    /// Gives the kernel the next key of one direction: RFC 8446 section 7.2.
    func rekey(_ socket: Int32, _ direction: RekeyDirection) throws(HandshakeFailure) {
        let failure = state.withLock { state -> HandshakeFailure? in
            if let reason = state.end { return HandshakeFailure(.peerRefused, reason) }
            guard let suite = state.suite, let old = direction == .send ? state.sending : state.receiving else {
                return HandshakeFailure(.local, "this session's keys are not in the kernel")
            }
            let next = KeySchedule.next(old, suite: suite)
            do throws(SystemError) {
                try KernelTLS.install(next, suite: suite, on: socket, direction: direction)
            } catch {
                return HandshakeFailure(
                    .recordLayer,
                    error.errno == .resourceBusy
                        ? "this kernel cannot change a key in use (Linux 6.14 and later can)" : "\(error)")
            }
            if direction == .send { state.sending = next } else { state.receiving = next }
            return nil
        }
        if let failure { throw failure }
    }
}
