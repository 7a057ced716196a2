import CProtocol
import CUpcall
import Glibc
import Kernel
import SecureChannel
import Synchronization

/// One session with a handshake daemon: its AF_LOCAL connection, open as long as the TLS session lives. Its end is DISCONNECT.
final class Upcall: Rekeyer, DaemonSession {
    private struct Handle: ~Copyable, @unchecked Sendable {
        // Unchecked: libtirpc's handle is used under the mutex alone.
        let client: OpaquePointer
        /// The daemon is at the other end of this; the number belongs to `client`.
        let descriptor: Int32
        deinit { upcall_client_destroy(client) }
    }

    private let handle: Mutex<Handle>
    private let program: UInt32
    /// TLSCDVERS and TLSSDVERS of the .x files.
    static let version: UInt32 = 2
    private let socket = Mutex<SharedDescriptor?>(nil)

    /// - Parameter takingOwnershipOf: connected and blocking.
    /// - Returns: nil where there is no memory for it.
    init?(takingOwnershipOf socket: consuming Descriptor, program: UInt32) {
        let raw = socket.raw
        guard let client = upcall_client_create(raw, program, Self.version) else { return nil }
        _ = socket.release()
        self.program = program
        handle = Mutex(Handle(client: client, descriptor: raw))
    }

    func answers() -> Bool { handle.withLock { upcall_null($0.client, 10_000) == 0 } }

    /// - Throws: ``HandshakeFailure`` where the upcall itself failed; what the daemon answered is in `result`.
    func connect(
        _ target: SharedDescriptor, _ arguments: tls_connect_args, _ result: inout tls_connect_res,
        milliseconds: UInt32,
        daemon: String
    ) throws(HandshakeFailure) {
        socket.withLock { $0 = target }
        var arguments = arguments
        let status = handle.withLock { handle -> Result<Int32, SystemError> in
            do throws(SystemError) {
                try DescriptorPassing.send(target.raw, over: handle.descriptor)
                return .success(upcall_connect(handle.client, &arguments, &result, milliseconds))
            } catch {
                return .failure(error)
            }
        }
        switch status {
        case .success(0): return
        case .success(let code):
            throw HandshakeFailure(.local, "the upcall to \(daemon) failed: \(String(cString: upcall_reason(code)))")
        case .failure(let error):
            throw HandshakeFailure(.local, "the upcall to \(daemon) failed: \(error)")
        }
    }

    /// The call ENDED, where the daemon made it.
    func takeEnd() -> String? {
        guard let reason = handle.withLock({ upcall_take_ended($0.descriptor, program, Self.version) }) else {
            return nil
        }
        defer { free(reason) }
        return UpcallCoding.text(reason)
    }

    /// A daemon that has ended, or was started again, has no secrets of this session.
    var isReady: Bool {
        KernelTLS.canRekey
            && handle.withLock { (try? Poll.wait($0.descriptor, for: Poll.readable, until: .after(seconds: 0))) == 0 }
    }

    func rekey(_ direction: RekeyDirection) throws(ChannelError) {
        guard let target = socket.withLock({ $0 }) else { throw .cannotRekey("the session has not begun") }
        var arguments = tls_rekey_args()
        arguments.direction = direction == .send ? TLS_DIRECTION_TX : TLS_DIRECTION_RX
        var result = tls_rekey_res()
        let failure = handle.withLock { handle -> String? in
            do throws(SystemError) {
                try DescriptorPassing.send(target.raw, over: handle.descriptor)
                let status = upcall_rekey(handle.client, &arguments, &result, 5000)
                return status == 0
                    ? nil : "the handshake daemon does not answer: \(String(cString: upcall_reason(status)))"
            } catch {
                return "the handshake daemon is gone: \(error)"
            }
        }
        if let failure { throw .cannotRekey(failure) }
        defer { upcall_free_rekey(&result) }
        guard result.status == TLS_SECURED else { throw .cannotRekey(UpcallCoding.text(result.reason)) }
    }
}
