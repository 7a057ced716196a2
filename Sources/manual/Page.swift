/// A manual page of a command, made of what its help says.
struct Page {
    let command: ToolInfo.Command
    /// The program, and the commands above this one.
    let above: [ToolInfo.Command]
    /// The manual's section: 1 for commands, 8 for daemons.
    let section: Int
    /// Other pages: title and section.
    let others: [(title: String, section: Int)]
    /// Of the manual, as ISO 8601 has it.
    let date: String

    /// As it stands in its file's name.
    var title: String { (above + [command]).map(\.commandName).joined(separator: "-") }

    private var typed: String { (above + [command]).map(\.commandName).joined(separator: " ") }

    func text(_ readme: Readme, version: String) throws -> String {
        var page = Roff(title: title, section: section, version: version, date: date)
        let help = Discussion(command.discussion ?? "")
        page.section("NAME")
        page.line("\(Roff.escaped(title)) \\- \(Roff.escaped(summary, atStart: false))")
        page.section("SYNOPSIS")
        synopsis(&page)
        page.section("DESCRIPTION")
        page.paragraph(command.abstract ?? "")
        help.writeProse(to: &page)
        commands(&page)
        try options(&page, readme)
        if let status = help.exitStatus ?? above.first.flatMap({ Discussion($0.discussion ?? "").exitStatus }) {
            page.section("EXIT STATUS")
            status.write(to: &page)
        }
        page.section("FILES")
        try readme.write(section == 1 ? "Files" : "Files of the daemons", to: &page)
        if section == 1 {
            page.section("ENVIRONMENT")
            try readme.write("Environment", to: &page)
        }
        if !help.examples.isEmpty {
            page.section("EXAMPLES")
            for example in help.examples { page.literal(example) }
        }
        page.section("SEE ALSO")
        let own = title
        let see = others.filter { $0.title != own }.map { "\(Roff.bold($0.title))(\($0.section))" }
        page.line(see.joined(separator: ",\n"))
        return page.text
    }

    /// The abstract as a NAME section has it: without the full stop, beginning small.
    private var summary: String {
        var text = command.abstract ?? ""
        if text.hasSuffix(".") { text.removeLast() }
        return text.prefix(1).lowercased() + text.dropFirst()
    }

    private func synopsis(_ page: inout Roff) {
        page.line(".B \(Roff.escaped(typed))")
        guard command.shownCommands.isEmpty else { return page.line("\\fIcommand\\fR [\\fIoptions\\fR]") }
        var words = command.shownArguments.contains { $0.kind != .positional } ? ["[\\fIoptions\\fR]"] : []
        for argument in command.shownArguments where argument.kind == .positional {
            let name = Roff.italic(argument.valueName ?? "")
            let word = argument.isRepeating && argument.valueName?.contains("...") != true ? "\(name) ..." : name
            words.append(argument.isOptional ? "[\(word)]" : word)
        }
        page.line(words.joined(separator: " "))
    }

    private func commands(_ page: inout Roff) {
        guard !command.shownCommands.isEmpty else { return }
        page.section("COMMANDS")
        for one in command.shownCommands {
            page.item("\(Roff.bold("\(title)-\(one.commandName)"))(\(section))", one.abstract ?? "")
        }
    }

    private func options(_ page: inout Roff, _ readme: Readme) throws {
        page.section("OPTIONS")
        // --version is the program's.
        let arguments = command.shownArguments.filter { above.isEmpty || $0.names?.first?.name != "version" }
        var titles: [String?] = []
        for argument in arguments where !titles.contains(argument.sectionTitle) { titles.append(argument.sectionTitle) }
        // What has no title is the command's own, and comes first.
        for title in titles.filter({ $0 == nil }) + titles.filter({ $0 != nil }) {
            if let title { page.subsection(title) }
            // What a person types last comes first: it is what a command is about.
            let some = arguments.filter { $0.sectionTitle == title }
            for argument in some.filter({ $0.kind == .positional }) + some.filter({ $0.kind != .positional }) {
                item(argument, &page)
            }
        }
        guard above.isEmpty, section == 1 else { return }
        page.section("CONNECTION OPTIONS")
        page.paragraph("Of every command that reaches a server, with -o:")
        try readme.write("Connection options", to: &page)
        page.section("OTHER SERVERS")
        try readme.write("Other servers", to: &page)
    }

    private func item(_ argument: ToolInfo.Argument, _ page: inout Roff) {
        let value = Roff.italic(argument.valueName ?? "")
        let head: String
        switch argument.kind {
        case .positional: head = value
        case .flag: head = (argument.names ?? []).map { Roff.bold($0.text) }.joined(separator: ", ")
        case .option: head = (argument.names ?? []).map { "\(Roff.bold($0.text)) \(value)" }.joined(separator: ", ")
        }
        var body = argument.abstract ?? ""
        if let value = argument.defaultValue, argument.kind != .flag, !value.isEmpty { body += " (default: \(value))" }
        page.item(head, body)
        if let more = argument.discussion, !more.isEmpty { page.line(Roff.escaped(more)) }
    }
}
