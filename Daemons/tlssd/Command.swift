import ArgumentParser
import HandshakeProgram
import SecureChannel

@main
struct Command: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tlssd",
        abstract: "Does the server's side of TLS 1.3 handshakes for transfer engines (RFC 9289).",
        discussion: """
            It alone reads the private key. An engine hands it a connected socket over its AF_LOCAL socket, and gets back who \
            the peer is and a secured connection: keys in the kernel where that has kernel TLS, else the traffic secrets of \
            this one connection.

            SIGHUP loads certificate, key, authorities and revocation lists anew, and ends the sessions whose clients' \
            certificates do not pass any more. Sessions outlive a restart of the daemon.
            """)

    @OptionGroup var options: HandshakeDaemonOptions
    @OptionGroup var users: CertificateUserOptions

    func run() throws { try options.run("tlssd", role: .server, users: try users.map()) }
}
