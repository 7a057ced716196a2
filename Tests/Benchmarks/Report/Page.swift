/// The parts of the page.
struct Page {
    let title: String
    let parts: [String]

    var text: String {
        """
        <!doctype html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>\(title)</title>
        <style>\(Self.style)</style>
        </head>
        <body>
        <main>
        <h1>\(title)</h1>
        \(parts.joined(separator: "\n"))
        </main>
        </body>
        </html>

        """
    }

    private static let style = """
        :root { color-scheme: light; --ink: #24292f; --soft: #57606a; --line: #e6e9ec; --ours: #1f6feb; }
        body { margin: 0; background: #f6f8fa; color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
        main { max-width: 920px; margin: 0 auto; padding: 24px 20px 80px; }
        h1 { font-size: 34px; margin: 16px 0 8px; letter-spacing: -0.02em; }
        h2 { font-size: 20px; margin: 0 0 4px; }
        h3 { font-size: 26px; margin: 44px 0 0; letter-spacing: -0.01em; }
        p { margin: 4px 0; color: var(--soft); }
        section { background: #fff; border: 1px solid var(--line); border-radius: 12px; padding: 20px 24px; margin: 20px 0; }
        svg { display: block; width: 100%; height: auto; margin-top: 8px; }
        .tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(180px, 1fr)); gap: 16px; margin: 20px 0; }
        .tile { background: #fff; border: 1px solid var(--line); border-radius: 12px; padding: 16px 20px; }
        .tile b { display: block; font-size: 36px; line-height: 1.1; color: var(--ours); letter-spacing: -0.02em; }
        .tile span { color: var(--soft); font-size: 14px; }
        table { border-collapse: collapse; width: 100%; font-size: 14px; margin-top: 10px; }
        th { font-weight: 600; color: var(--soft); }
        th, td { text-align: right; padding: 5px 8px; border-bottom: 1px solid var(--line); font-variant-numeric: tabular-nums; }
        th:first-child, td:first-child { text-align: left; padding-left: 0; }
        ul { margin: 6px 0; padding-left: 20px; color: var(--soft); font-size: 14px; }
        summary { cursor: pointer; color: var(--soft); font-size: 14px; margin-top: 8px; }
        .met { color: #1a7f37; } .missed { color: #cf222e; font-weight: 600; }
        """

    static func escaped(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
    }

    /// `2 GiB`
    static func size(_ bytes: Int) -> String {
        for (unit, name) in [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")] where bytes >= unit {
            return bytes % unit == 0
                ? "\(bytes / unit) \(name)" : "\(Progress.fixed(Double(bytes) / Double(unit), 1)) \(name)"
        }
        return "\(bytes) bytes"
    }

    static func tiles(_ tiles: [(value: String, text: String)]) -> String {
        let all = tiles.map { "<div class=\"tile\"><b>\(escaped($0.value))</b><span>\(escaped($0.text))</span></div>" }
        return "<div class=\"tiles\">\(all.joined())</div>"
    }

    static func machine(_ section: Results.Section) -> String {
        let machine = section.machine
        let programs = section.versions.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
        let settings = section.settings.sorted { $0.key < $1.key }.filter { !$0.value.isEmpty }
            .map { "\($0.key): \($0.value)" }
        return """
            <p>\(escaped(section.date.prefix(10).description)), \(machine.processors) processors (\(escaped(machine.processor))), \
            \(escaped(machine.system)). All on one machine, from memory file system to memory file system, in turn: bars are \
            medians, lines the spread of the rounds.</p>
            <details><summary>Settings and versions</summary>
            <p>\(escaped((settings + programs).joined(separator: " · ")))</p></details>
            """
    }

    static func chapter(_ title: String, _ text: String, _ picture: String, _ table: String) -> String {
        "<section><h2>\(escaped(title))</h2>\(text.isEmpty ? "" : "<p>\(text)</p>")\(picture)\(table)</section>"
    }

    static func heading(_ text: String) -> String { "<h3>\(escaped(text))</h3>" }

    static func table(_ of: [Measurement], isOpen: Bool = false) -> String {
        let units = of.reduce(into: [String]()) { if !$0.contains($1.unit) { $0.append($1.unit) } }
        // One table for each unit: a column has one.
        let tables = units.map { unit in
            let same = of.filter { $0.unit == unit }
            return table([Table.header(same)] + same.map { Table.row($0, same) })
        }
        return "<details\(isOpen ? " open" : "")><summary>Numbers</summary>\(tables.joined())</details>"
    }

    static func table(_ rows: [[String]]) -> String {
        let lines = rows.enumerated().map { index, row in
            let tag = index == 0 ? "th" : "td"
            return "<tr>\(row.map { "<\(tag)>\(escaped($0))</\(tag)>" }.joined())</tr>"
        }
        return "<table>\(lines.joined(separator: "\n"))</table>"
    }

    static func memory(_ peaks: [String: Int]) -> String {
        let rows = ["xfer", "tlscd", "xferd", "tlssd", "curl", "nginx", "scp", "ssh", "sshd", "rsync", "stunnel4"]
            .compactMap {
                name in peaks[name].map { [name, Progress.fixed(Double($0) / Double(1 << 20), 1)] }
            }
        return "<section><h2>Memory</h2><p>The largest resident set of each program in all of this.</p>"
            + table([["program", "MiB"]] + rows) + "</section>"
    }

    static func notes(_ notes: [String]) -> String {
        let items = notes.map { "<li>\(escaped($0))</li>" }
        return "<section><h2>Notes</h2><ul>\(items.joined())</ul></section>"
    }

    static func targets(_ targets: [Target]) -> String {
        let rows = targets.map { target in
            let mark = target.isMet ? "<td class=\"met\">met</td>" : "<td class=\"missed\">missed</td>"
            return "<tr><td>\(escaped(target.name))</td><td>\(target.reached)</td><td>\(target.goal)</td>\(mark)</tr>"
        }
        return "<section><h2>Targets</h2><table><tr><th></th><th>measured</th><th>wanted</th><th></th></tr>"
            + rows.joined(separator: "\n") + "</table></section>"
    }
}
