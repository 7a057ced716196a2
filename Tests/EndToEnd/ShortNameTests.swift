import Certificates
import Glibc
import TestSupport
import Testing

/// `xfer mount`, `umount`, `mounts`, and commands that use the names.
@Suite(.notInTheLab)
struct ShortNameTests {
    @Test(arguments: Layer.available) func aNameIsMountedUsedAndTakenAway(layer: Layer) throws {
        try withSite(layer) { site in
            mkdir(site.data + "/sub", 0o755)
            try write("report", to: site.data + "/sub/report.pdf")
            // Given by relative names, used from elsewhere.
            for (file, name) in [(site.client.certificateFile, "me.pem"), (site.client.keyFile, "me.key")] {
                symlink(file, "\(site.local)/\(name)")
            }
            let options = "cafile=\(site.pki.certificateFile),cert=me.pem,key=me.key"
            expectDone(try site.xfer("mount", "localhost:/data/sub", "work", options: options))
            let table = site.table
            #expect(
                contents(of: table)
                    == "work\tlocalhost:/data/sub\tport=\(site.port),cafile=\(site.pki.certificateFile),"
                    + "cert=\(site.local)/me.pem,key=\(site.local)/me.key\n")
            #expect(try status(of: table).st_mode & 0o777 == 0o600)

            #expect(try site.bare("get", "work:report.pdf", site.local + "/back").status == 0)
            #expect(contents(of: site.local + "/back") == "report")
            let put = try site.bare("put", site.local + "/back", "work:")
            #expect(put.status == 0, "\(put)")
            #expect(contents(of: site.data + "/sub/back") == "report")
            #expect(try site.bare("ls", "work:").output == "back\nreport.pdf\n")
            #expect(try site.bare("ls", "work:./").output == "back\nreport.pdf\n")
            // The command line's options come last.
            expectFailure(try site.bare("put", "-o", "ro", site.local + "/back", "work:x"), "read-only")
            // A slash makes it a host.
            expectFailure(try site.bare("ls", "-o", site.credentials, "work:/data"), "'work'")

            let listed = try site.bare("mounts")
            #expect(listed.output.hasPrefix("work  localhost:/data/sub  port=\(site.port),cafile="), "\(listed)")
            #expect(try site.bare("mount").output == listed.output)
            let json = try site.bare("mounts", "--json").output
            #expect(
                json.hasPrefix(
                    #"{"name":"work","place":"localhost:/data/sub","host":"localhost","path":"/data/sub","options":["port="#
                ))

            // A name below a name, with its options.
            expectDone(try site.bare("mount", "work:", "same"))
            #expect(try site.bare("ls", "same:").output == "back\nreport.pdf\n")

            let gone = try site.bare("umount", "work")
            #expect(gone.status == 0 && gone.error == "", "\(gone)")
            expectFailure(try site.bare("ls", "work:"), status: 2, "'work' is no mounted name (mounted are same)")
            expectFailure(try site.bare("umount", "work"), status: 2, "'work' is no mounted name (mounted are same)")
            expectDone(try site.bare("umount", "-f", "same:"))
            #expect(try site.bare("mounts").output == "")
        }
    }

    @Test func whatIsNotKept() throws {
        try withSite(.user) { site in
            try write("x", to: site.data + "/file")
            for (place, words) in [
                ("localhost:/data/nothing", "no such file"), ("localhost:/data/file", "is not a directory"),
                ("localhost:/elsewhere", "exports"),
            ] {
                expectFailure(try site.xfer("mount", place, "n"), words)
            }
            expectFailure(try site.xfer("mount", "localhost:/data", "a b"), status: 2, "'a b'", "short name")
            expectFailure(try site.xfer("mount", "local", "n"), status: 2, "local path")
            expectFailure(try site.xfer("mount", "localhost:/data"), status: 2, "NAME")
            #expect(!exists(site.table))
            // Nobody listens there.
            expectDone(try site.xfer("mount", "--no-check", "localhost:/data", "n", options: "port=1,ro"))
            expectFailure(
                try site.xfer("mount", "localhost:/public", "n"), status: 2, "'n'", "localhost:/data", "umount")
            expectFailure(try site.xfer("mount", "localhost:/data", "n"), status: 2, "other options")
            expectDone(try site.xfer("mount", "--no-check", "localhost:/data", "n", options: "port=1,ro"))
            #expect(contents(of: site.table).split(separator: "\n").count == 1)
            let gone = try site.bare("umount", "n", "-o", site.credentials)
            #expect(gone.status == 0 && gone.error.contains("n is gone; localhost was not told: "), "\(gone)")
            #expect(contents(of: site.table) == "")
        }
    }

    @Test func aMistakeInTheTableIsNamed() throws {
        try withSite(.user) { site in
            try write("x", to: site.data + "/f")
            var at = site.directory.path
            for part in ["home", ".config", "tlsd"] {
                at += "/\(part)"
                mkdir(at, 0o700)
            }
            try write("# mine\nwork localhost:/data\nhome localhost:/x bogus\n", to: site.table)
            for command in [["ls", "work:"], ["mounts"], ["umount", "work"], ["mount", "--no-check", "h:/x", "n"]] {
                expectFailure(
                    try site.run(command), status: 2, "\(site.table), line 3: ", "'bogus'")
            }
            // Who names a host needs no table.
            #expect(try site.xfer("ls", "localhost:/data").output == "f\n")
        }
    }
}

extension Site {
    var table: String { directory.path + "/home/.config/tlsd/mounts" }

    /// Runs xfer with these arguments alone, somewhere else than where the client's files are.
    func bare(_ arguments: String...) throws -> Ended { try run(arguments) }

    func run(_ arguments: [String]) throws -> Ended {
        try RunningProgram(
            [Programs.path("xfer")] + arguments, environment: ["HOME=\(directory.path)/home", "XDG_CONFIG_HOME="],
            directory: directory.path
        ).wait()
    }
}
