import Glibc
import TestSupport

/// A terminal of so many columns and rows, with a program in it: a tmux server of its own (tmux(1)).
final class Tmux {
    private let socket: String
    private let directory: String
    private(set) var columns: Int

    /// - Parameters:
    ///   - directory: for its socket; where the program starts.
    ///   - command: for /bin/sh.
    init(columns: Int, rows: Int, directory: String, environment: [String] = [], _ command: String) throws {
        guard ["/usr/bin", "/usr/local/bin", "/bin"].contains(where: { access($0 + "/tmux", X_OK) == 0 }) else {
            throw Unexpected("tmux is not installed: apt-get install tmux, or make deps")
        }
        self.directory = directory
        self.columns = columns
        socket = directory + "/tmux"
        try write(
            "set -g status off\n", to: directory + "/tmux.conf")
        let ended = try RunningProgram(
            [
                "tmux", "-u", "-S", socket, "-f", directory + "/tmux.conf", "new-session", "-d", "-x", "\(columns)",
                "-y",
                "\(rows)", command,
            ], environment: ["LC_ALL=C.UTF-8", "TERM=xterm-256color"] + environment, directory: directory
        ).wait()
        guard ended.status == 0 else { throw Unexpected("tmux: \(ended)") }
    }

    deinit { _ = try? run("kill-server") }

    @discardableResult
    private func run(_ arguments: String...) throws -> String { try run(arguments) }

    @discardableResult
    private func run(_ arguments: [String]) throws -> String {
        let ended = try RunningProgram(["tmux", "-u", "-S", socket] + arguments, environment: ["LC_ALL=C.UTF-8"]).wait()
        guard ended.status == 0 else { throw Unexpected("tmux \(arguments): \(ended)") }
        return ended.output
    }

    /// What stands on the screen, without empty lines at its end.
    ///
    /// - Parameters:
    ///   - colors: with the escape sequences of colours.
    ///   - joined: lines that the terminal wrapped are one.
    func screen(colors: Bool = false, joined: Bool = false) throws -> [String] {
        let text = try run(["capture-pane", "-p"] + (colors ? ["-e"] : []) + (joined ? ["-J"] : []))
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map {
            String($0.reversed().drop { $0 == " " }.reversed())
        }
        while lines.last?.isEmpty ?? false { lines.removeLast() }
        return lines
    }

    /// Waits until the screen is as `condition` wants it.
    ///
    /// - Returns: the screen.
    @discardableResult
    func wait(_ what: String, colors: Bool = false, joined: Bool = false, _ condition: ([String]) -> Bool) throws
        -> [String]
    {
        var last: [String] = []
        let isThere = try eventually(within: 60) {
            last = try screen(colors: colors, joined: joined)
            return condition(last)
        }
        guard isThere else { throw Unexpected("no \(what) on the screen: \n\(last.joined(separator: "\n"))") }
        return last
    }

    func resize(columns: Int, rows: Int) throws {
        try run("resize-window", "-x", "\(columns)", "-y", "\(rows)")
        self.columns = columns
    }

    /// Types: text, or the name of a key such as `C-c` or `Enter`.
    func type(_ keys: String...) throws {
        for key in keys { try run("send-keys", key) }
    }

    /// The cursor's column and row, and whether it can be seen.
    func cursor() throws -> (column: Int, row: Int, isVisible: Bool) {
        let words = try run("display-message", "-p", "#{cursor_x} #{cursor_y} #{cursor_flag}")
            .split(whereSeparator: { " \n".contains($0) }).compactMap { Int($0) }
        guard words.count == 3 else { throw Unexpected("tmux does not say where the cursor is") }
        return (words[0], words[1], words[2] == 1)
    }
}
