import ArgumentParser
import HandshakeProgram
import SecureChannel

@main
struct Command: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tlssd",
        abstract: "Does the server's side of TLS 1.3 handshakes for transfer engines (RFC 9289).",
        usage: "tlssd [<options>]",
        discussion: """
            It alone reads the private key. An engine hands it a connected socket over its AF_LOCAL socket, and gets back who \
            the peer is and a secured connection: keys in the kernel where that has kernel TLS, else the traffic secrets of \
            this one connection.

            SIGHUP loads certificate, key, authorities and revocation lists anew, and ends the sessions whose clients' \
            certificates do not pass any more. Sessions outlive a restart of the daemon.

              tlssd --socket /run/tlsd/tlssd.sock --ca /etc/tlsd/ca.pem \\
                --cert /etc/tlsd/server.pem --key /etc/tlsd/server.key

            Exit status: 0 ended by SIGTERM or SIGINT, 1 it could not start or go on, 64 the command line makes no sense.
            """)

    @OptionGroup var options: HandshakeDaemonOptions
    @OptionGroup var users: CertificateUserOptions

    func run() throws { try options.run("tlssd", role: .server, users: try users.map()) }
}
