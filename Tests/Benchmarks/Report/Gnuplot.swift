import Foundation
import TestSupport

/// gnuplot, from a script to SVG that can stand in a page.
struct Gnuplot {
    /// Where scripts and pictures are kept, for who wants them otherwise.
    let directory: String

    static let ours = "#1f6feb"
    static let others = "#9aa7b5"
    static let faint = "#d5dbe1"
    static let ink = "#24292f"
    /// For lines, each different from the others for everybody.
    static let lines = ["#1f6feb", "#d1495b", "#2e933c", "#edae49", "#7b5ea7", "#5f6b77"]

    /// - Parameter commands: what follows the terminal and the style.
    func draw(_ name: String, width: Int = 860, height: Int, _ commands: String) throws -> String {
        let base = "\(directory)/\(name)"
        let script = """
            set encoding utf8
            set terminal svg size \(width),\(height) dynamic font 'system-ui,sans-serif,14' name '\(name.replacing("-", with: "_"))' noenhanced
            set output '\(base).svg'
            set border 0 lc rgb '\(Self.ink)'
            set tics scale 0 textcolor rgb '\(Self.ink)'
            set grid lc rgb '#e6e9ec' lt 1 lw 1
            \(commands)
            unset output

            """
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        try script.write(toFile: base + ".gnuplot", atomically: true, encoding: .utf8)
        let ended = try RunningProgram(["gnuplot", base + ".gnuplot"]).wait(seconds: 60)
        guard ended.status == 0 else { throw Unexpected("gnuplot \(base).gnuplot: \(ended.error)") }
        let drawn = try String(contentsOfFile: base + ".svg", encoding: .utf8)
        // Within a page an SVG has no prolog of its own.
        guard let start = drawn.range(of: "<svg") else { throw Unexpected("\(base).svg is no SVG") }
        return String(drawn[start.lowerBound...])
    }

    /// A string in gnuplot's quotes.
    static func quoted(_ text: String) -> String {
        "\"" + text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
    }
}
