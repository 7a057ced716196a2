import COpenSSL
import Glibc
import Kernel
import SystemPackage

/// A BIO on a borrowed non-blocking socket.
///
/// OpenSSL's own (BIO_s_socket(3)) writes with write(2), and a peer that is gone would end the process by SIGPIPE;
/// this one also keeps the errno, the end of the stream and the first bytes for the reason a person is told.
enum SocketBIO {
    /// Made once and never freed.
    nonisolated(unsafe) private static let method: OpaquePointer? = {
        guard let method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "tlsd socket") else { return nil }
        BIO_meth_set_read(method, read)
        BIO_meth_set_write(method, write)
        BIO_meth_set_ctrl(method, control)
        BIO_meth_set_create(method) { bio in
            BIO_set_init(bio, 1)
            return 1
        }
        return method
    }()

    /// - Parameter state: must outlive the BIO.
    static func make(_ state: HandshakeState) -> OpaquePointer? {
        guard let method, let bio = BIO_new(method) else { return nil }
        BIO_set_data(bio, Unmanaged.passUnretained(state).toOpaque())
        return bio
    }

    private static func state(_ bio: OpaquePointer?) -> HandshakeState? {
        BIO_get_data(bio).map { Unmanaged<HandshakeState>.fromOpaque($0).takeUnretainedValue() }
    }

    private static let read: @convention(c) (OpaquePointer?, UnsafeMutablePointer<CChar>?, Int32) -> Int32 = {
        bio, bytes, count in
        BIO_clear_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_WRITE | BIO_FLAGS_SHOULD_RETRY)
        guard let state = state(bio), let bytes, count > 0 else { return -1 }
        do throws(SystemError) {
            guard let received = try nonblocking("recv", { recv(state.socket, bytes, Int(count), 0) }) else {
                BIO_set_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_SHOULD_RETRY)
                return -1
            }
            if received == 0 { state.reachedEnd = true }
            let room = max(0, 8 - state.firstBytes.count)
            state.firstBytes += UnsafeRawBufferPointer(start: bytes, count: received).prefix(room)
            state.received += received
            return Int32(truncatingIfNeeded: received)
        } catch {
            state.socketError = error
            return -1
        }
    }

    private static let write: @convention(c) (OpaquePointer?, UnsafePointer<CChar>?, Int32) -> Int32 = {
        bio, bytes, count in
        BIO_clear_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_WRITE | BIO_FLAGS_SHOULD_RETRY)
        guard let state = state(bio), let bytes, count > 0 else { return -1 }
        do throws(SystemError) {
            guard let sent = try nonblocking("send", { send(state.socket, bytes, Int(count), Int32(MSG_NOSIGNAL)) })
            else {
                BIO_set_flags(bio, BIO_FLAGS_WRITE | BIO_FLAGS_SHOULD_RETRY)
                return -1
            }
            return Int32(truncatingIfNeeded: sent)
        } catch {
            state.socketError = error
            return -1
        }
    }

    private static let control: @convention(c) (OpaquePointer?, Int32, Int, UnsafeMutableRawPointer?) -> Int = {
        bio, command, _, _ in
        switch command {
        case BIO_CTRL_FLUSH: 1
        case BIO_CTRL_EOF: state(bio)?.reachedEnd == true ? 1 : 0
        default: 0
        }
    }
}
