import COpenSSL
import Certificates
import Glibc
import Kernel
import SecureChannel
import TestSupport
import Testing

/// OpenSSL's own TLS on the other end of a connection: handshake and records are both of another make.
final class ForeignPeer: @unchecked Sendable {
    // Unchecked: one thread at a time uses it.
    private let context: OpaquePointer
    private let ssl: OpaquePointer

    /// - Parameters:
    ///   - issued: its certificate.
    ///   - maximum: the highest version it speaks.
    init(
        _ role: Channel.Role, _ issued: CertificateAuthority.Issued, on socket: SharedDescriptor,
        suite: CipherSuite? = nil,
        maximum: Int32 = TLS1_3_VERSION
    ) throws {
        context = try #require(SSL_CTX_new(role == .server ? TLS_server_method() : TLS_client_method()))
        _ = copenssl_set_max_version(context, maximum)
        #expect(SSL_CTX_use_certificate_chain_file(context, issued.certificateFile) == 1)
        #expect(SSL_CTX_use_PrivateKey_file(context, issued.keyFile, SSL_FILETYPE_PEM) == 1)
        if let suite { #expect(SSL_CTX_set_ciphersuites(context, suite.name) == 1) }
        ssl = try #require(SSL_new(context))
        setBlocking(socket)
        SSL_set_fd(ssl, socket.raw)
        if role == .server { SSL_set_accept_state(ssl) } else { SSL_set_connect_state(ssl) }
    }

    deinit {
        SSL_free(ssl)
        SSL_CTX_free(context)
    }

    func handshake() -> Bool { SSL_do_handshake(ssl) == 1 }

    func write(_ bytes: [UInt8]) -> Bool {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes {
                SSL_write(ssl, $0.baseAddress.map { $0 + done }, Int32(bytes.count - done))
            }
            if count <= 0 { return false }
            done += Int(count)
        }
        return true
    }

    func read(_ count: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var done = 0
        while done < count {
            let received = bytes.withUnsafeMutableBytes {
                SSL_read(ssl, $0.baseAddress.map { $0 + done }, Int32(count - done))
            }
            if received <= 0 { break }
            done += Int(received)
        }
        return Array(bytes.prefix(done))
    }

    /// Asks the other end for a new key, and takes one itself, with its next write.
    func updateKey(requested: Bool) -> Bool { SSL_key_update(ssl, requested ? 1 : 0) == 1 }

    /// Sends close_notify.
    func close() { _ = SSL_shutdown(ssl) }

    /// Whether the other end has sent close_notify.
    var hasEnded: Bool {
        var byte: UInt8 = 0
        return SSL_read(ssl, &byte, 1) == 0 && SSL_get_error(ssl, 0) == SSL_ERROR_ZERO_RETURN
    }
}
