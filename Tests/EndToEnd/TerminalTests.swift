import Glibc
import SecureChannel
import TestSupport
import Testing

/// The display in a real terminal: tmux, with a transfer that stays where the test wants it.
@Suite(.notInTheLab)
struct TerminalTests {
    private static let size = 6 << 20
    private static let long = "a name too long for any terminal that is 40 columns wide 名前.bin"

    /// A site whose server is reached through a relay that holds the transfer up.
    private func withHeld(
        _ layer: Layer, _ held: Relay.Direction, allowing: Int = 5 << 20, _ body: (Site, Relay) throws -> Void
    ) throws {
        try withSite(layer) { site in
            let relay = try Relay(to: site.port, holding: held, allowing: allowing)
            defer { relay.stop() }
            try body(site, relay)
        }
    }

    private func tree(_ path: String) throws {
        mkdir(path, 0o755)
        for (seed, name) in ["one", "two", Self.long].enumerated() {
            try write(pattern(Self.size, seed: UInt64(seed + 1)), to: "\(path)/\(name)")
        }
    }

    /// Makes the script `go`, which runs xfer.
    private func script(_ site: Site, _ relay: Relay, _ command: String, _ arguments: String) throws {
        try write(
            """
            #!/bin/sh
            export HOME=\(site.directory.path)/home
            exec \(Programs.path("xfer")) \(command) --record-layer \(site.layer.rawValue) \
            -o port=\(relay.port) -o \(site.credentials) \(arguments)

            """, to: site.local + "/go", mode: 0o755)
    }

    private func terminal(
        _ site: Site, columns: Int = 80, rows: Int = 24, environment: [String] = [],
        _ command: String = "./go; exec cat"
    ) throws -> Tmux {
        try Tmux(columns: columns, rows: rows, directory: site.local, environment: environment, command)
    }

    /// An interactive shell with job control.
    private static let shell = "PS1='$ ' exec bash --norc --noprofile"

    private func percent(_ line: String?) -> Int? {
        line?.firstMatch(of: #/\b([0-9]+)%/#).flatMap { Int($0.output.1) }
    }

    /// The transfer is held up: the display says the same percentage as the last time, and it is one.
    private func held(_ terminal: Tmux, files: Int) throws -> [String] {
        var before = ""
        return try terminal.wait("display that stands still") { screen in
            guard let line = screen.first(where: { $0.contains("%") }), percent(line) ?? 0 > 0,
                screen.count(where: { $0.hasPrefix("  ") }) == files
            else { return false }
            defer { before = line }
            return line == before && line.contains(" 0 B/s")
        }
    }

    private func isDone(_ screen: [String]) -> Bool {
        screen.contains { $0.contains(" in ") && $0.hasSuffix("peer CN=localhost") }
    }

    @Test(arguments: Layer.available) func aPutOfATreeAtEveryWidth(layer: Layer) throws {
        try withHeld(layer, .toServer) { site, relay in
            try tree(site.local + "/tree")
            mkfifo(site.local + "/tree/pipe", 0o644)
            try script(site, relay, "put", "-r tree localhost:/data")
            let terminal = try terminal(site)
            var seen: [Int] = []
            var screen = try held(terminal, files: 3)
            try Capture.expect(screen, "put-tree-80")
            #expect(screen.allSatisfy { DisplayWidth.columns($0) < 80 })
            #expect(try terminal.cursor().isVisible)
            // What was left out is said above the display, and stays.
            #expect(screen.first == "xfer: left out: tree/pipe: neither a file, a directory nor a link")
            seen.append(try #require(percent(screen.first { $0.contains("%") })))

            relay.allow(2 << 20)
            _ = try terminal.wait("progress") { percent($0.first { $0.contains("%") }) ?? 0 > seen[0] }
            screen = try held(terminal, files: 3)
            seen.append(try #require(percent(screen.first { $0.contains("%") })))

            for columns in [40, 20] {
                try terminal.resize(columns: columns, rows: 24)
                _ = try terminal.wait("display of \(columns) columns") { screen in
                    guard let line = screen.firstIndex(where: { $0.contains("%") }) else { return false }
                    // Not what the terminal cut off before it told its size
                    return screen.count == line + 4 && screen[line].hasSuffix(" -:--")
                        && screen[(line + 1)...].allSatisfy { $0.hasSuffix("%") }
                        && screen[line...].allSatisfy { DisplayWidth.columns($0) < columns }
                }
                screen = try terminal.screen()
                try Capture.expect(screen, "put-tree-\(columns)")
                seen.append(try #require(percent(screen.first { $0.contains("%") })))
            }
            try terminal.resize(columns: 80, rows: 4)
            _ = try terminal.wait("one file in few rows") { screen in
                screen.count(where: { $0.hasPrefix("  ") }) == 1 && screen.contains { $0.contains("0/3 files") }
            }
            #expect(seen == seen.sorted() && seen[0] > 0 && seen[0] < seen[1] && seen[3] < 100)

            try terminal.resize(columns: 80, rows: 24)
            relay.allow(1 << 40)
            screen = try terminal.wait("end", joined: true, isDone)
            try Capture.expect(screen, "put-tree-done")
            #expect(try terminal.cursor().isVisible)
            for name in ["one", "two", Self.long] {
                #expect(bytes(of: "\(site.data)/tree/\(name)") == bytes(of: "\(site.local)/tree/\(name)"))
            }
        }
    }

    @Test(arguments: Layer.available, [80, 40]) func aGetOfOneFile(layer: Layer, columns: Int) throws {
        try withHeld(layer, .toClient, allowing: 3 << 20) { site, relay in
            try write(pattern(Self.size), to: site.data + "/report.pdf")
            try script(site, relay, "get", "localhost:/data/report.pdf")
            let terminal = try terminal(site, columns: columns)
            let screen: [String]
            if columns == 80 {
                screen = try held(terminal, files: 0)
            } else {
                screen = try terminal.wait("display") { percent($0.first) ?? 0 > 0 }
            }
            try Capture.expect(screen, "get-file-\(columns)")
            #expect(screen.count == 1 && screen.allSatisfy { $0.count < columns })
            relay.allow(1 << 40)
            let end = try terminal.wait("end", joined: true) { isDone($0) }
            #expect(!end.contains { $0.contains("%") }, "\(end)")
            #expect(bytes(of: site.local + "/report.pdf") == bytes(of: site.data + "/report.pdf"))
        }
    }

    @Test(arguments: ["", "1"]) func colours(noColor: String) throws {
        try withHeld(.user, .toClient, allowing: 3 << 20) { site, relay in
            try write(pattern(Self.size), to: site.data + "/file")
            try script(site, relay, "get", "localhost:/data/file")
            let terminal = try terminal(site, environment: ["NO_COLOR=\(noColor)"])
            let screen = try terminal.wait("display", colors: true) { $0.contains { $0.contains("==") } }
            #expect(screen.joined().contains("\u{1b}[32m=") == noColor.isEmpty)
        }
    }

    /// A terminal that cannot move its cursor gets lines, no display.
    @Test func aDumbTerminal() throws {
        try withSite(.user) { site in
            let relay = try Relay(to: site.port, holding: .toClient, allowing: 3 << 20)
            defer { relay.stop() }
            try write(pattern(Self.size), to: site.data + "/file")
            try script(site, relay, "get", "localhost:/data/file")
            let terminal = try terminal(site, "script -qec 'TERM=dumb ./go' raw; echo over; exec cat")
            try terminal.wait("a line") { $0.contains { percent($0) ?? 0 > 0 } }
            relay.allow(1 << 40)
            try terminal.wait("end") { $0.contains("over") }
            let raw = contents(of: site.local + "/raw")
            #expect(raw.contains("1 file, ") && !raw.dropFirst().contains("\u{1b}"), "\(raw)")
        }
    }

    @Test func stoppedAndContinued() throws {
        try withHeld(.user, .toClient, allowing: 3 << 20) { site, relay in
            try write(pattern(Self.size), to: site.data + "/file")
            try script(site, relay, "get", "localhost:/data/file")
            let terminal = try terminal(site, Self.shell)
            try terminal.wait("prompt") { $0 == ["$"] }
            try terminal.type("./go", "Enter")
            _ = try terminal.wait("display") { percent($0.last) ?? 0 > 0 }
            try terminal.type("C-z")
            let stopped = try terminal.wait("stopped job") { $0.contains { $0.contains("Stopped") } && $0.last == "$" }
            #expect(try terminal.cursor().isVisible)
            // Not drawn while it runs in the background
            try terminal.type("bg", "Enter")
            let background = try terminal.wait("background") { $0.last == "$" && $0.count > stopped.count }
            try terminal.type("echo here", "Enter")
            try terminal.wait("prompt") { $0.suffix(2) == ["here", "$"] }
            #expect(background.count(where: { $0.contains("%") }) <= 1)
            try terminal.type("fg", "Enter")
            let again = try terminal.wait("display again") { percent($0.last) ?? 0 > 0 }
            // What the shell wrote is still there.
            #expect(again.contains { $0.contains("Stopped") } && again.contains("here"), "\(again)")
            relay.allow(1 << 40)
            try terminal.wait("end", joined: true) { isDone($0) && $0.last == "$" }
            try terminal.type("stty -a", "Enter")
            try terminal.wait("stty") { $0.contains { $0.contains(" echo ") } }
        }
    }

    /// A message comes above the display, and both are there.
    @Test func aLostConnectionIsSaidAboveTheDisplay() throws {
        try withSite(.user) { site in
            let relay = try Relay(to: site.port, holding: .toClient, allowing: 3 << 20)
            defer { relay.stop() }
            try write(pattern(Self.size), to: site.data + "/file")
            try script(site, relay, "get", "localhost:/data/file")
            let terminal = try terminal(site)
            _ = try terminal.wait("display") { percent($0.last) ?? 0 > 0 }
            relay.cut()
            let screen = try terminal.wait("message", joined: true) {
                $0.first?.hasPrefix("xfer: the connection to localhost was lost (") ?? false
            }
            #expect(screen.count == 2 && percent(screen.last) ?? 0 > 0, "\(screen)")
            relay.allow(1 << 40)
            let end = try terminal.wait("end", joined: true, isDone)
            #expect(end.count == 3 && end.contains("xfer: connected to localhost again"), "\(end)")
        }
    }

    @Test func interruptedOnATerminal() throws {
        try withHeld(.user, .toServer) { site, relay in
            try write(pattern(Self.size), to: site.local + "/file")
            try script(site, relay, "put", "file localhost:/data")
            let terminal = try terminal(site, Self.shell)
            try terminal.wait("prompt") { $0 == ["$"] }
            try terminal.type("./go", "Enter")
            _ = try terminal.wait("display") { percent($0.last) ?? 0 > 30 }
            relay.letNewConnectionsThrough()
            try terminal.type("C-c")
            let screen = try terminal.wait("prompt") { $0.count > 2 && $0.last == "$" }
            try Capture.expect(screen, "put-interrupted")
            #expect(try terminal.cursor().isVisible)
            #expect(names(in: site.data).count == 1)
            // What is there is gone on with.
            expectDone(try site.xfer("put", "file", "localhost:/data"))
            #expect(names(in: site.data) == ["file"])
        }
    }
}

/// Columns of what tmux captured.
private enum DisplayWidth {
    static func columns(_ text: String) -> Int {
        text.unicodeScalars.reduce(0) { $0 + ((0x1100...0xffdc).contains($1.value) && $1 != "…" ? 2 : 1) }
    }
}
