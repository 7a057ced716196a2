import CUpcall
import Glibc
import Kernel
import Logging
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

    func establish(_ outcome: HandshakeOutcome, layer: Channel.Layer, role: Channel.Role, peer: String) {
        state.withLock { state in
            state.established = true
            state.label = [
                "peer": "\(peer)", "protocol": "TLSv1.3", "cipher": "\(outcome.secrets.suite.name)",
                "layer": "\(layer)",
                "alpn": "\(outcome.applicationProtocol ?? "none")",
                "certificate": "\(outcome.peer.map { "\($0.subject) serial \($0.serial)" } ?? "none")",
            ]
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
