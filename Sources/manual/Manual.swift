import ArgumentParser
import Foundation

/// Makes the manual pages, `make man`: of the programs' own help, and of README.md.
@main
struct Manual: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "manual", abstract: "Writes the manual pages of the programs.",
        discussion: "  manual --readme README.md --output .build/man .build/release/xfer .build/release/xferd")

    @Option(name: .long, help: "README.md, of which some sections are.", completion: .file())
    var readme = "README.md"

    @Option(name: .long, help: "The directory that gets them, as man1, man5 and man8.", completion: .directory)
    var output: String

    @Option(
        name: .long, help: ArgumentHelp("Of the manual, as ISO 8601 has it; today where left out.", valueName: "date"))
    var date: String?

    @Argument(help: "The programs.", completion: .file())
    var programs: [String]

    func run() throws {
        let text = Readme(try String(contentsOfFile: readme, encoding: .utf8))
        let tools = try programs.map { try ToolInfo(of: URL(fileURLWithPath: $0)).command }
        let heads =
            tools.map { (title: $0.commandName, section: Self.section($0)) } + [(title: "xferd-exports", section: 5)]
        for tool in tools { try write(tool, [], heads, text) }
        var page = Roff(title: "xferd-exports", section: 5, version: Self.version, date: day)
        page.section("NAME")
        page.line("xferd\\-exports \\- what xferd serves to whom")
        page.section("DESCRIPTION")
        try text.write("The exports file", to: &page)
        page.section("SEE ALSO")
        page.line("\\fBxferd\\fR(8),\n\\fBexports\\fR(5)")
        try store(page.text, "xferd-exports", 5)
    }

    private var day: String { date ?? Date.now.formatted(.iso8601.year().month().day()) }

    private static let version = "0.1.0"

    /// Daemons are an administrator's.
    private static func section(_ tool: ToolInfo.Command) -> Int { tool.commandName == "xfer" ? 1 : 8 }

    /// A command's page and those of the commands below it.
    private func write(
        _ command: ToolInfo.Command, _ above: [ToolInfo.Command], _ heads: [(title: String, section: Int)],
        _ readme: Readme
    ) throws {
        let section = Self.section(above.first ?? command)
        let page = Page(command: command, above: above, section: section, others: heads, date: day)
        try store(try page.text(readme, version: Self.version), page.title, section)
        for one in command.shownCommands { try write(one, above + [command], heads, readme) }
    }

    private func store(_ text: String, _ title: String, _ section: Int) throws {
        let directory = URL(fileURLWithPath: output).appendingPathComponent("man\(section)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        try text.write(
            to: directory.appendingPathComponent("\(title).\(section)"), atomically: true, encoding: .utf8)
    }
}
