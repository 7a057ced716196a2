import Glibc
import Kernel
import TestSupport
import Testing

/// What the programs say of themselves: help, manual pages, completions in real shells.
@Suite(.notInTheLab) struct HelpTests {
    static let programs = ["xfer", "xferd", "tlscd", "tlssd"]

    private static let root = #filePath.split(separator: "/").dropLast(3).reduce("") { "\($0)/\($1)" }

    /// Command lines of all commands, hidden ones aside, by asking the help for its own list.
    static let commands: [[String]] =
        [
            "get", "put", "sync", "verify", "jobs", "ls", "stat", "cat", "du", "rm", "mkdir", "mv", "mount", "umount",
            "mounts", "ping", "serve", "pki",
        ].map { ["xfer", $0] }
        + ["run", "status", "retry", "report", "list", "forget"].map { ["xfer", "jobs", $0] }
        + ["init", "issue"].map { ["xfer", "pki", $0] } + programs.map { [$0] }

    private func help(_ command: [String]) throws -> String {
        let ended = try RunningProgram(
            [Programs.path(command[0])] + command.dropFirst() + ["--help"], environment: ["COLUMNS=80"]
        ).wait()
        expectDone(ended)
        return ended.output
    }

    @Test(arguments: commands) func everyCommandHasHelpWithExamples(command: [String]) throws {
        let text = try help(command)
        for line in text.split(separator: "\n") { #expect(line.count <= 80, "\(line)") }
        let example = "  " + command.joined(separator: " ")
        let lines = text.split(separator: "\n")
        let shown = lines.contains { $0.hasPrefix(example) || $0.contains("| \(example.dropFirst(2))") }
        #expect(shown, "no example of \(command.joined(separator: " ")) in:\n\(text)")
    }

    /// A line of an example or of a table that is wider than a page is broken in the middle: it cannot be pasted.
    @Test(arguments: programs) func linesThatAreTypedFitThePage(program: String) throws {
        let ended = try RunningProgram([Programs.path(program), "--experimental-dump-help"]).wait()
        expectDone(ended)
        let discussions = ended.output.split(separator: "\n").filter { $0.contains("\"discussion\"") }
        #expect(!discussions.isEmpty)
        for discussion in discussions {
            let lines = discussion.replacing("\\/", with: "/").replacing("\\\"", with: "\"").split(separator: "\\n")
            for line in lines where line.hasPrefix("  ") && !line.contains("\"discussion\"") {
                #expect(line.count <= 80, "\(line)")
            }
        }
    }

    @Test func commandsStandInGroups() throws {
        let text = try help(["xfer"])
        for group in ["COPY", "LOOK", "CHANGE", "CONNECT", "SERVE"] { #expect(text.contains("\(group) "), "\(text)") }
    }

    // MARK: Manual pages

    private func manual(_ directory: Directory) throws -> [String] {
        let ended = try RunningProgram(
            [
                Programs.path("manual"), "--readme", Self.root + "/README.md", "--output",
                directory.path + "/man",
            ] + Self.programs.map(Programs.path)
        ).wait()
        expectDone(ended)
        return ["man1", "man5", "man8"].flatMap { section in
            names(in: "\(directory.path)/man/\(section)").map { "\(directory.path)/man/\(section)/\($0)" }
        }
    }

    @Test func everyCommandHasAManualPage() throws {
        let directory = try Directory()
        let pages = try manual(directory).compactMap { $0.split(separator: "/").last.map(String.init) }
        let wanted =
            Self.commands.map { "\($0.joined(separator: "-")).\($0[0] == "xfer" ? 1 : 8)" } + [
                "xfer.1", "xferd-exports.5",
            ]
        for page in wanted { #expect(pages.contains(page), "\(page) is not in \(pages)") }
    }

    /// groff says what it does not understand, mandoc what another page would look odd with.
    @Test(arguments: [["groff", "-man", "-ww", "-Tutf8", "-P-c"], ["mandoc", "-man", "-Tlint", "-Wwarning"]])
    func manualPagesRenderWithoutWarnings(tool: [String]) throws {
        let directory = try Directory()
        let pages = try manual(directory)
        #expect(pages.count > 25)
        let ended = try RunningProgram(tool + pages, environment: ["PATH=/usr/bin:/bin"]).wait()
        expectDone(ended)
        #expect(ended.error.isEmpty, "\(ended.error)")
    }

    @Test func aManualPageSaysWhatTheHelpSays() throws {
        let directory = try Directory()
        let page = try #require(try manual(directory).first { $0.hasSuffix("/xfer-get.1") })
        let ended = try RunningProgram(
            ["groff", "-man", "-Tascii", "-P-c", "-P-b", "-P-u", "-rLL=80n", page]
        ).wait()
        expectDone(ended)
        let sections = [
            "NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "FILES", "ENVIRONMENT", "EXAMPLES", "SEE ALSO",
        ]
        let headings = ended.output.split(separator: "\n").map(String.init).filter(sections.contains)
        #expect(headings == sections, "\(ended.output)")
        for word in ["xfer-get - ", "--exclude pattern", "xfer get server:/data/report.pdf .", "xferd(8)"] {
            #expect(ended.output.contains(word), "no '\(word)' in: \(ended.output)")
        }
    }

    // MARK: Completions

    private func script(_ program: String, _ shell: String) throws -> String {
        let ended = try RunningProgram([Programs.path(program), "--generate-completion-script", shell]).wait()
        expectDone(ended)
        return ended.output
    }

    /// Runs a shell, which a test package brings: without it the test fails.
    private func shell(_ words: [String], _ site: Site? = nil) throws -> Ended {
        let home = site.map { ["HOME=\($0.directory.path)/home"] } ?? []
        return try RunningProgram(
            words, environment: ["PATH=\(Programs.directory):/usr/bin:/bin", "TERM=dumb"] + home,
            directory: site?.local
        ).wait()
    }

    @Test(arguments: ["bash", "zsh", "fish"], programs) func completionsLoad(shell name: String, program: String) throws
    {
        let directory = try Directory()
        try write(try script(program, name), to: directory.path + "/script")
        let load =
            name == "zsh"
            ? "autoload -Uz compinit && compinit -u -d \(directory.path)/dump && source \(directory.path)/script"
            : "source \(directory.path)/script"
        let ended = try shell(
            name == "bash" ? ["bash", "--norc", "-c", load] : [name, name == "zsh" ? "-f" : "-N", "-c", load])
        expectDone(ended)
        #expect(ended.error.isEmpty && ended.output.isEmpty, "\(ended)")
    }

    /// Names for a site whose export is mounted as `work`.
    private func withNames(_ body: (Site) throws -> Void) throws {
        try withSite(.user) { site in
            mkdir(site.directory.path + "/home", 0o755)
            mkdir(site.data + "/reports", 0o755)
            try write("1", to: site.data + "/report.pdf")
            try write("2", to: site.data + "/$(touch hit)")
            try write("3", to: site.local + "/reply.txt")
            expectDone(try site.xfer("mount", "127.0.0.1:/data", "work"))
            try body(site)
        }
    }

    /// bash calls the function of a completion with the words that it makes of the line, of which a colon is one.
    private func bash(_ site: Site, _ words: [String]) throws -> [String] {
        try write(try script("xfer", "bash"), to: site.directory.path + "/script")
        let quoted = words.map { "'\($0)'" }.joined(separator: " ")
        let line = words.joined(separator: " ").replacing(" : ", with: ":").replacing(" :", with: ":")
        let ended = try shell(
            [
                "bash", "--norc", "-c",
                """
                source \(site.directory.path)/script
                COMP_WORDS=(\(quoted)); COMP_CWORD=\(words.count - 1); COMP_LINE='\(line)'; COMP_POINT=${#COMP_LINE}
                compopt() { :; }
                cur=${COMP_WORDS[COMP_CWORD]}; [[ $cur == : ]] && cur=
                _xfer_places xfer "$cur" "${COMP_WORDS[COMP_CWORD-1]}"
                printf '%s\\n' "${COMPREPLY[@]}"
                """,
            ], site)
        expectDone(ended)
        return ended.output.split(separator: "\n").map(String.init)
    }

    @Test func bashCompletesCommandsNamesAndPlaces() throws {
        try withNames { site in
            let lines: [(words: [String], wanted: [String])] = [
                (["mo"], ["mount", "mounts"]), (["ls", "w"], ["work:"]), (["umount", "w"], ["work"]),
                (["ls", "work", ":", "rep"], ["report.pdf", "reports/"]), (["get", "re"], ["reply.txt"]),
                // A server's name is text, whatever a shell would do with it.
                (["ls", "work", ":"], ["$(touch hit)", "report.pdf", "reports/"]),
            ]
            for line in lines {
                let found = try bash(site, ["xfer"] + line.words)
                #expect(found == line.wanted, "\(line.words)")
            }
            #expect(access(site.local + "/hit", F_OK) != 0)
        }
    }

    /// What the loaded scripts do to a line that is typed, in a terminal.
    @Test(arguments: ["bash", "zsh", "fish"]) func aTypedPlaceIsCompleted(shell name: String) throws {
        try withNames { site in
            let path = site.directory.path
            try write("4", to: site.data + "/my file")
            try write(try script("xfer", name), to: path + "/_xfer")
            let (command, load) =
                switch name {
                case "bash": ("bash --norc", "source \(path)/_xfer")
                case "zsh": ("zsh -f", "fpath=(\(path) $fpath); autoload -Uz compinit; compinit -u -d \(path)/dump")
                default: ("fish -N", "source \(path)/_xfer")
                }
            let terminal = try Tmux(
                columns: 100, rows: 20, directory: path,
                environment: ["HOME=\(path)/home", "PATH=\(Programs.directory):/usr/bin:/bin"], command)
            func wait(_ text: String) throws {
                try terminal.wait("'\(text)' in \(name)", joined: true) { $0.contains { $0.contains(text) } }
            }
            try terminal.type(load + "; echo lo''aded", "Enter")
            try wait("loaded")
            try terminal.type("xfer ls w", "Tab")
            try wait("xfer ls work:")
            try terminal.type("my", "Tab")
            try wait("xfer ls work:my\\ file")
            try terminal.type("Enter")
            try terminal.wait("output of ls", joined: true) { $0.contains("my file") || $0.contains("work:my file") }
        }
    }

    /// A shell never waits long: here for a server that takes the connection and says nothing.
    @Test func aServerThatIsSilentIsNotWaitedFor() throws {
        try withNames { site in
            let address = try #require(try SocketAddress.resolve("127.0.0.1", port: 0).first)
            let silent = try Socket.listen(on: address)
            let port = try Socket.local(silent.raw).port
            let ended = try RunningProgram(
                [
                    Programs.path("xfer"), "---completion", "ls", "--", "positional@0", "4", "12", "xfer", "ls", "-o",
                    "\(site.credentials),port=\(port)", "127.0.0.1:/d",
                ], environment: ["HOME=\(site.directory.path)/home", "SAP_SHELL=bash"]
            ).wait(seconds: 20)
            #expect(ended.output.isEmpty, "\(ended)")
        }
    }
}
