import CLinux
import Glibc
package import Kernel
import Synchronization
import SystemPackage

/// The kernel's record layer, tls(7): whether it is there, and giving it keys.
package enum KernelTLS {
    /// Why this kernel cannot do a suite in both directions; nil where it can.
    ///
    /// Asked of the kernel once for each suite (again where something else was in the way), with two sockets on loopback: keys of a real connection cannot be taken back
    /// when the second direction turns out to be missing.
    package static func obstacle(to suite: CipherSuite) -> String? {
        answers.withLock { answers in
            if let known = answers[suite] { return known }
            let (answer, isFinal) = probe(suite)
            if isFinal { answers[suite] = .some(answer) }
            return answer
        }
    }

    /// Whether this kernel can change a key in use (Linux 6.14). Asked of it once, as ``obstacle(to:)``.
    package static let canRekey: Bool = {
        let suite = CipherSuite.aes128GCM
        guard obstacle(to: suite) == nil, let (end, secret) = try? bench(suite) else { return false }
        return (try? install(secret, suite: suite, on: end.raw, direction: .send)) != nil
    }()

    /// A socket on loopback with keys in the kernel, the same both ways.
    private static func bench(_ suite: CipherSuite) throws -> (SharedDescriptor, Secret) {
        let secret = Secret([UInt8](repeating: 0, count: suite.secretLength))
        guard let loopback = try SocketAddress.resolve("127.0.0.1", port: 0).first else {
            throw SystemError("getaddrinfo", .noSuchAddressOrDevice, on: "loopback")
        }
        let listener = try Socket.listen(on: loopback, backlog: 1)
        let end = SharedDescriptor(try Socket.connect(to: Socket.local(listener.raw), until: .after(seconds: 5)))
        try install(SessionSecrets(suite: suite, client: secret, server: secret), on: end.raw, role: .client)
        return (end, secret)
    }

    /// How many records a direction has had under its key.
    static func records(_ socket: Int32, _ direction: RekeyDirection) throws(SystemError) -> UInt64 {
        var count: UInt64 = 0
        try systemCall("getsockopt", on: direction == .send ? "TLS_TX" : "TLS_RX") {
            clinux_tls_records(socket, direction == .send ? CLINUX_TLS_TX : CLINUX_TLS_RX, &count)
        }
        return count
    }

    private static let answers = Mutex<[CipherSuite: String?]>([:])

    /// - Returns: the obstacle, and whether it is the kernel's own: one such as too many open files passes.
    private static func probe(_ suite: CipherSuite) -> (obstacle: String?, isFinal: Bool) {
        do {
            _ = try bench(suite)
            return (nil, true)
        } catch let error as SystemError {
            let isMissing = error.errno == .noSuchFileOrDirectory || error.errno == .invalidArgument
            return (words(for: error, suite: suite), isMissing || error.errno == Errno(rawValue: ENOPROTOOPT))
        } catch {
            return ("\(error)", false)
        }
    }

    private static func words(for error: SystemError, suite: CipherSuite) -> String {
        switch (error.subject ?? "", error.errno) {
        case ("TCP_ULP", .noSuchFileOrDirectory):
            "this kernel has no kernel TLS (CONFIG_TLS), or its module 'tls' is not loaded"
        case (let option, .noSuchFileOrDirectory):
            "this kernel has kernel TLS and lacks the crypto module for \(suite.name) (\(option))"
        case (let option, .invalidArgument):
            "this kernel's TLS does not know \(suite.name) (\(option))"
        default:
            "kernel TLS cannot be used: \(error)"
        }
    }

    /// Hands both directions to the kernel; from here on the socket's bytes are plaintext to this process.
    ///
    /// - Parameter socket: connected TCP at the first application record in both directions: sequence numbers 0.
    /// - Throws: ``SystemError``, its subject the socket option that failed. The socket is of no use then.
    package static func install(_ secrets: SessionSecrets, on socket: Int32, role: Channel.Role) throws(SystemError) {
        try systemCall("setsockopt", on: "TCP_ULP") { clinux_tls_attach(socket) }
        let (mine, theirs) =
            role == .client ? (secrets.client, secrets.server) : (secrets.server, secrets.client)
        try install(mine, suite: secrets.suite, on: socket, direction: .send)
        try install(theirs, suite: secrets.suite, on: socket, direction: .receive)
    }

    /// Gives one direction a key; the second time and later this is a rekey (Linux 6.14).
    ///
    /// - Throws: ``SystemError``; EBUSY where the kernel cannot rekey.
    package static func install(
        _ secret: Secret, suite: CipherSuite, on socket: Int32, direction: RekeyDirection
    ) throws(SystemError) {
        let keys = TrafficKeys(secret, suite: suite)
        let cipher =
            switch suite {
            case .aes128GCM: CLINUX_TLS_AES_128_GCM
            case .aes256GCM: CLINUX_TLS_AES_256_GCM
            case .chacha20Poly1305: CLINUX_TLS_CHACHA20_POLY1305
            }
        let option = direction == .send ? CLINUX_TLS_TX : CLINUX_TLS_RX
        try keys.key.withBytes { key throws(SystemError) in
            try keys.iv.withBytes { iv throws(SystemError) in
                _ = try systemCall("setsockopt", on: direction == .send ? "TLS_TX" : "TLS_RX") {
                    clinux_tls_install(
                        socket, option, cipher, key.bindMemory(to: UInt8.self).baseAddress,
                        iv.bindMemory(to: UInt8.self).baseAddress, 0)
                }
            }
        }
    }
}
