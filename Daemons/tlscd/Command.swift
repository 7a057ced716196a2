import ArgumentParser
import HandshakeProgram
import SecureChannel

@main
struct Command: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tlscd",
        abstract: "Does the client's side of TLS 1.3 handshakes for transfer engines (RFC 9289).",
        usage: "tlscd [<options>]",
        discussion: """
            It alone reads the private key. An engine hands it a connected socket over its AF_LOCAL socket, and gets back who \
            the peer is and a secured connection: keys in the kernel where that has kernel TLS, else the traffic secrets of \
            this one connection.

            SIGHUP loads certificate, key, authorities and revocation lists anew, and ends the sessions whose servers' \
            certificates do not pass any more. Sessions outlive a restart of the daemon.

              tlscd --socket /run/tlsd/tlscd.sock --ca /etc/tlsd/ca.pem \\
                --cert /etc/tlsd/client.pem --key /etc/tlsd/client.key

            Exit status: 0 ended by SIGTERM or SIGINT, 1 it could not start or go on, 64 the command line makes no sense.
            """)

    @OptionGroup var options: HandshakeDaemonOptions

    func run() throws { try options.run("tlscd", role: .client) }
}
