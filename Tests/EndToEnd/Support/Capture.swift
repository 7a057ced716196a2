import Glibc
import TestSupport
import Testing

/// Captures of a terminal that somebody has looked at, in Tests/EndToEnd/Captures: what changes from run to run is masked.
enum Capture {
    /// Compares a screen with a capture. With TLSD_RECORD=1 it is written anew, to be looked at.
    static func expect(
        _ screen: [String], _ name: String, filePath: String = #filePath,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let masked = masked(screen).joined(separator: "\n") + "\n"
        let folder = filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
        let path = "\(folder)/Captures/\(name).txt"
        if getenv("TLSD_RECORD") != nil { return try write(masked, to: path) }
        #expect(masked == contents(of: path), "\(name)", sourceLocation: sourceLocation)
    }

    /// Numbers, bars and runs of spaces made the same; files under way in the order of their names, since they begin at
    /// the same time.
    static func masked(_ screen: [String]) -> [String] {
        let lines = screen.map { line in
            var line = line
            line.replace(#/\[[= ]*\]/#, with: "[=]")
            line.replace(#/[0-9]+(\.[0-9]+)? [kMGT]?B\b/#, with: "N B")
            line.replace(#/\b[0-9]+%/#, with: "N%")
            line.replace(#/([0-9]+:)?[0-9]+:[0-9]{2}|-:--/#, with: "T:TT")
            line.replace(#/\b[0-9]+\.[0-9]+ s\b/#, with: "N s")
            line.replace(#/(TLS_[A-Z0-9_]+) (user|kernel) layer/#) { "\($0.output.1) LAYER layer" }
            line.replace(#/(\S) {2,}/#) { "\($0.output.1) " }
            return line
        }
        let files = lines.filter { $0.hasPrefix("  ") }.sorted()
        var next = files.makeIterator()
        return lines.map { $0.hasPrefix("  ") ? next.next() ?? $0 : $0 }
    }
}
