package import ArgumentParser
import Certificates
package import Daemon
import Glibc
package import Handshake
import Kernel
import Logging
package import SecureChannel
import SystemPackage
import TLS

/// What tlscd and tlssd are told on their command lines, and how they run: they differ in the side of the handshake alone.
package struct HandshakeDaemonOptions: ParsableArguments {
    @Option(name: .long, help: ArgumentHelp("AF_LOCAL socket to answer at.", valueName: "path"), completion: .file())
    package var socket: String?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Answer on this descriptor, a listening AF_LOCAL socket that was inherited.", valueName: "number"))
    package var listenDescriptor: Int32?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "PEM file with the certificate and those of the authorities between it and the root.", valueName: "file"),
        completion: .file())
    package var cert: String?

    @Option(
        name: .long, help: ArgumentHelp("PEM file with the certificate's private key.", valueName: "file"),
        completion: .file())
    package var key: String?

    @Option(
        name: .long, help: ArgumentHelp("PEM file with the certificate authorities to trust.", valueName: "file"),
        completion: .file())
    package var ca: String?

    @Option(
        name: .long,
        help: ArgumentHelp("PEM file with certificate revocation lists of every authority.", valueName: "file"),
        completion: .file())
    package var crl: String?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Who may call besides root and the daemon's own user: a user, or a group as @group. May be repeated.",
            valueName: "who"))
    package var allow: [String] = []

    @Option(name: .long, help: ArgumentHelp("Seconds a handshake may take at most.", valueName: "seconds"))
    package var deadline: Double = 10

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Cipher suites in order of preference: aes128gcm, aes256gcm, chacha20poly1305.", valueName: "list"))
    package var ciphers: String?

    @Flag(name: .long, help: "Refuse a peer that does not agree on the ALPN protocol sunrpc.")
    package var strictAlpn = false

    @Flag(name: .long, help: .hidden)
    package var exitWithStandardInput = false

    @OptionGroup package var log: LogOptions

    package init() {}

    package mutating func validate() throws {
        guard (socket == nil) != (listenDescriptor == nil) else {
            throw ValidationError("one of --socket and --listen-descriptor is needed")
        }
        guard deadline > 0, deadline <= 3600 else {
            throw ValidationError("--deadline: more than 0 and at most 3600 seconds")
        }
        guard (cert == nil) == (key == nil) else { throw ValidationError("--cert and --key go together") }
        _ = try suites()
    }

    private func suites() throws -> [CipherSuite] {
        guard let ciphers else { return [.aes128GCM, .aes256GCM, .chacha20Poly1305] }
        return try ciphers.split(separator: ",").map { name in
            switch name {
            case "aes128gcm": .aes128GCM
            case "aes256gcm": .aes256GCM
            case "chacha20poly1305": .chacha20Poly1305
            default: throw ValidationError("--ciphers: '\(name)' is none of aes128gcm, aes256gcm, chacha20poly1305")
            }
        }
    }

    /// Runs the daemon until SIGTERM or SIGINT; SIGHUP loads certificates, key, authorities and revocation lists anew, and
    /// ends the sessions whose peers' certificates do not pass any more.
    ///
    /// - Parameter users: who certificates' users are on this machine; nil: nobody is asked.
    /// - Throws: what kept it from starting.
    package func run(_ name: String, role: Channel.Role, users: UserMap? = nil) throws {
        let logger = log.logger(name)
        ProcessSetup.raiseDescriptorLimit()
        ProcessSetup.hideMemory()
        let events = try StopSignals(parent: exitWithStandardInput ? STDIN_FILENO : nil)
        let configuration = TLSConfiguration(
            certificateFile: cert, keyFile: key, trustAnchorsFile: ca, revocationFile: crl, cipherSuites: try suites(),
            strictALPN: strictAlpn)
        let handshaker = try TLSHandshaker(role, configuration)
        let listener =
            if let listenDescriptor { Descriptor(takingOwnershipOf: listenDescriptor) } else {
                try LocalListener.open(socket ?? "")
            }
        try listener.setNonblocking(true)
        let server = try HandshakeServer(
            role: role, handshaker: handshaker, callers: try CallerPolicy(allowing: allow), users: users,
            longest: deadline, log: logger)
        let certificate = handshaker.certificate
        logger.notice(
            "ready",
            metadata: [
                "socket": "\(socket ?? "inherited")", "users": "\(users.map { "of \($0.domain)" } ?? "not mapped")",
                "certificate": "\(certificate?.subject ?? "none")",
                "kernel TLS": "\(KernelTLS.obstacle(to: .aes128GCM) ?? "yes")",
            ])
        let raw = listener.raw
        let service = try Thread("upcalls") {
            do throws(SystemError) {
                try server.run(raw)
            } catch {
                logger.critical("answering upcalls failed", metadata: ["reason": "\(error)"])
                Glibc.exit(1)
            }
        }
        while try events.next() == .reload {
            do throws(CertificateError) {
                try handshaker.reload()
                let ended = server.recheck()
                logger.notice(
                    "certificates loaded anew",
                    metadata: [
                        "certificate": "\(handshaker.certificate?.subject ?? "none")", "sessions ended": "\(ended)",
                    ])
            } catch {
                logger.error("certificates stay as they were", metadata: ["reason": "\(error)"])
            }
        }
        server.stop()
        service.join()
        if let socket { unlink(socket) }
        logger.notice("stopped", metadata: ["sessions": "\(server.sessionCount)"])
    }
}
