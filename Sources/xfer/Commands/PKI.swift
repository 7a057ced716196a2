import ArgumentParser
import Certificates
import Glibc
import Transfer

struct PKI: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pki", abstract: "Make a certificate authority, and certificates for servers and clients.",
        discussion: """
              xfer pki init
              xfer pki issue --server files.example.net 192.0.2.7
              xfer pki issue --client alice
              xfer pki issue --client alice --user alice@example.net
            """,
        subcommands: [Initialize.self, Issue.self])

    /// Where the authority is where no directory is given.
    static let standardDirectory = "pki"

    struct Initialize: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "init",
            abstract: "Make a certificate authority: ca.pem, which everybody gets, and ca.key, which nobody does.",
            discussion: "  xfer pki init\n  xfer pki init --directory ~/ca --name 'Example authority'")

        @Option(
            name: .long, help: ArgumentHelp("The authority's directory, made with mode 0700.", valueName: "dir"),
            completion: .directory)
        var directory = PKI.standardDirectory

        @Option(name: .long, help: ArgumentHelp("The authority's common name.", valueName: "name"))
        var name = "tlsd certificate authority"

        func run() throws {
            let authority = try CertificateAuthority.create(at: directory, name: name)
            print(authority.certificateFile)
        }
    }

    struct Issue: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "issue", abstract: "Issue a certificate with the extended key usages of RFC 9289.",
            usage: "xfer pki issue [<options>] --server <name> ... | --client <name>",
            discussion: """
                Prints the paths of the certificate and of its key, beside the authority's.

                  xfer pki issue --server files.example.net 192.0.2.7
                  xfer pki issue --client alice --days 90
                  xfer pki issue --client bob --user bob@example.net
                """)

        @Option(
            name: .long, help: ArgumentHelp("The authority's directory.", valueName: "dir"),
            completion: .directory)
        var directory = PKI.standardDirectory

        @Flag(name: .long, help: "For a server: the names are its DNS names and addresses.")
        var server = false

        @Option(name: .long, help: ArgumentHelp("For a client of this name.", valueName: "name"))
        var client: String?

        @Option(
            name: .long,
            help: ArgumentHelp(
                "With --client: the user it stands for where the server maps users (tlssd --certuser).",
                valueName: "user@domain"))
        var user: String?

        @Option(
            name: .long,
            help: ArgumentHelp("Write NAME.pem and NAME.key; the first name where left out.", valueName: "name"))
        var file: String?

        @Option(name: .long, help: ArgumentHelp("Days it is valid.", valueName: "days"))
        var days = CertificateAuthority.issuedDays

        @Flag(name: .long, help: "Replace files of the same name.")
        var replace = false

        @Argument(help: "With --server: DNS names and addresses in digits.")
        var names: [String] = []

        func validate() throws {
            guard server != (client != nil) else {
                throw ValidationError("one of --server NAME|IP … and --client NAME")
            }
            guard server == !names.isEmpty else {
                throw ValidationError(server ? "--server wants a name or an address" : "--client takes one name")
            }
            guard user == nil || client != nil else { throw ValidationError("--user goes with --client") }
            guard user?.contains("@") != false else { throw ValidationError("--user: user@domain is wanted") }
            guard (1...36500).contains(days) else { throw ValidationError("--days: 1 to 36500") }
        }

        func run() throws {
            guard CertificateAuthority.exists(at: directory) else {
                throw TransferError(
                    .local, "\(directory): there is no certificate authority (ca.pem): xfer pki init makes one")
            }
            let authority = try CertificateAuthority.open(at: directory)
            let issued: CertificateAuthority.Issued
            let validity = try Validity.days(days)
            if let client {
                issued = try authority.issueClient(
                    name: client, alternativeNames: user.map { [$0] } ?? [], file: file, validity: validity,
                    replace: replace)
            } else {
                issued = try authority.issueServer(names: names, file: file, validity: validity, replace: replace)
            }
            print(issued.certificateFile)
            print(issued.keyFile)
        }
    }
}
