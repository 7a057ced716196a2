import COpenSSL
import Certificates
import Glibc
import Handshake
import Kernel
import SecureChannel
import Synchronization
import TLS
import TestSupport
import Testing

/// Two ends of a loopback TCP connection, non-blocking.
struct Link {
    let client: SharedDescriptor
    let server: SharedDescriptor

    init() throws {
        let address = try #require(try SocketAddress.resolve("127.0.0.1", port: 0).first)
        let listener = try Socket.listen(on: address)
        client = SharedDescriptor(try Socket.connect(to: try Socket.local(listener.raw), until: .after(seconds: 5)))
        _ = try Poll.wait(listener.raw, for: Int32(POLLIN), until: .after(seconds: 5))
        guard let accepted = try Socket.accept(listener.raw)?.release() else { throw NoConnection() }
        server = SharedDescriptor(Descriptor(takingOwnershipOf: accepted))
    }
}

struct NoConnection: Error {}

typealias HandshakeResult = Result<HandshakeOutcome, HandshakeFailure>

/// Runs `body` on a thread of its own.
final class Running<R: Sendable>: Sendable {
    private let result = Condition<R?>(nil)
    private let thread: Kernel.Thread

    init(_ body: @escaping @Sendable () -> R) throws {
        let result = result
        thread = try Kernel.Thread("test") {
            let value = body()
            result.withLock(wake: true) { $0 = value }
        }
    }

    func value() throws -> R {
        thread.join()
        return try #require(result.withLock { $0 })
    }
}

func request(_ name: String = "files.example", mutual: Bool = true, seconds: Double = 20) -> HandshakeRequest {
    HandshakeRequest(peerName: name, mutual: mutual, deadline: .after(seconds: seconds))
}

func run(_ handshaker: some Handshaker, _ socket: SharedDescriptor, _ request: HandshakeRequest) -> HandshakeResult {
    do throws(HandshakeFailure) {
        return .success(try handshaker.handshake(on: socket.raw, request))
    } catch {
        return .failure(error)
    }
}

/// One handshake between both sides; each end is shut down for writing when its side has failed, as an engine would.
func handshake(
    _ client: TLSHandshaker, _ server: TLSHandshaker, name: String = "files.example", mutual: Bool = true
) throws -> (client: HandshakeResult, server: HandshakeResult, link: Link) {
    let link = try Link()
    let serverSide = try Running {
        let result = run(server, link.server, request("127.0.0.1", mutual: mutual))
        if case .failure = result { shutdown(link.server.raw, Int32(SHUT_WR)) }
        return result
    }
    let clientResult = run(client, link.client, request(name, mutual: mutual && client.certificate != nil))
    if case .failure = clientResult { shutdown(link.client.raw, Int32(SHUT_WR)) }
    return (clientResult, try serverSide.value(), link)
}

/// The failure of a result that must be one.
func failure(_ result: HandshakeResult, location: SourceLocation = #_sourceLocation) throws -> HandshakeFailure {
    switch result {
    case .failure(let failure): return failure
    case .success: throw UnexpectedSuccess(location: location)
    }
}

struct UnexpectedSuccess: Error {
    let location: SourceLocation
}

func bytes(_ secret: Secret) -> [UInt8] { secret.withBytes { Array($0) } }

/// An authority, a server's and a client's certificate.
final class Credentials {
    let directory = TemporaryDirectory()
    let authority: CertificateAuthority
    let server: CertificateAuthority.Issued
    let client: CertificateAuthority.Issued

    init() throws {
        authority = try CertificateAuthority.create(at: directory.path + "/ca")
        server = try authority.issueServer(names: ["files.example", "127.0.0.1", "::1"])
        client = try authority.issueClient(name: "backup", alternativeNames: ["backup@example.org"])
    }

    func configuration(_ issued: CertificateAuthority.Issued?) -> TLSConfiguration {
        TLSConfiguration(
            certificateFile: issued?.certificateFile, keyFile: issued?.keyFile,
            trustAnchorsFile: authority.certificateFile)
    }

    func serverHandshaker(_ change: (inout TLSConfiguration) -> Void = { _ in }) throws -> TLSHandshaker {
        var configuration = configuration(server)
        change(&configuration)
        return try TLSHandshaker(.server, configuration)
    }

    func clientHandshaker(_ change: (inout TLSConfiguration) -> Void = { _ in }) throws -> TLSHandshaker {
        var configuration = configuration(client)
        change(&configuration)
        return try TLSHandshaker(.client, configuration)
    }
}

/// OpenSSL without this project: a peer of another make, on a blocking socket.
final class ForeignPeer: @unchecked Sendable {
    // Unchecked: one thread at a time uses it.
    private let context: OpaquePointer
    let ssl: OpaquePointer

    init(
        server issued: CertificateAuthority.Issued?, on socket: SharedDescriptor, maximum: Int32 = TLS1_3_VERSION,
        protocols: String? = nil
    ) throws {
        // OpenSSL's socket BIO writes with write(2).
        signal(SIGPIPE, SIG_IGN)
        let isServer = issued != nil
        context = try #require(SSL_CTX_new(isServer ? TLS_server_method() : TLS_client_method()))
        _ = copenssl_set_max_version(context, maximum)
        if let issued {
            #expect(SSL_CTX_use_certificate_chain_file(context, issued.certificateFile) == 1)
            #expect(SSL_CTX_use_PrivateKey_file(context, issued.keyFile, SSL_FILETYPE_PEM) == 1)
        }
        if let protocols {
            let wire = [UInt8(protocols.utf8.count)] + Array(protocols.utf8)
            _ = SSL_CTX_set_alpn_protos(context, wire, UInt32(wire.count))
        }
        ssl = try #require(SSL_new(context))
        _ = fcntl(socket.raw, F_SETFL, fcntl(socket.raw, F_GETFL) & ~O_NONBLOCK)
        SSL_set_fd(ssl, socket.raw)
        if isServer { SSL_set_accept_state(ssl) } else { SSL_set_connect_state(ssl) }
    }

    /// A server that names this protocol, whatever was offered.
    func answerProtocol(_ name: StaticString) {
        SSL_CTX_set_alpn_select_cb(
            context,
            { _, chosen, length, _, _, name in
                guard let text = name?.assumingMemoryBound(to: CChar.self) else { return SSL_TLSEXT_ERR_NOACK }
                chosen?.pointee = UnsafeRawPointer(text).assumingMemoryBound(to: UInt8.self)
                length?.pointee = UInt8(strlen(text))
                return SSL_TLSEXT_ERR_OK
            }, UnsafeMutableRawPointer(mutating: name.utf8Start))
    }

    deinit {
        SSL_free(ssl)
        SSL_CTX_free(context)
    }

    /// A client's handshake whose last message goes out in one piece with a first record of data.
    func handshakeAndSend(_ text: String, over socket: SharedDescriptor) -> Bool {
        guard let input = BIO_new(BIO_s_mem()), let output = BIO_new(BIO_s_mem()) else { return false }
        SSL_set_bio(ssl, input, output)
        var buffer = [UInt8](repeating: 0, count: 32768)
        while true {
            let result = SSL_do_handshake(ssl)
            if result == 1 { SSL_write(ssl, text, Int32(text.utf8.count)) }
            let count = Int(BIO_read(output, &buffer, Int32(buffer.count)))
            if count > 0 && send(socket.raw, buffer, count, Int32(MSG_NOSIGNAL)) != count { return false }
            if result == 1 { return true }
            guard SSL_get_error(ssl, result) == SSL_ERROR_WANT_READ else { return false }
            let received = recv(socket.raw, &buffer, buffer.count, 0)
            guard received > 0, BIO_write(input, buffer, Int32(received)) == Int32(received) else { return false }
        }
    }

    /// - Returns: whether it succeeded, and the error's words otherwise.
    func handshake() -> (Bool, String) {
        OpenSSLError.clear()
        return SSL_do_handshake(ssl) == 1 ? (true, "") : (false, OpenSSLError(draining: "handshake").reasons)
    }
}
