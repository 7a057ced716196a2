import Glibc
import Kernel
import Synchronization

/// Standard error: messages, which stay, and below them the display, where there is one.
final class Screen: Sendable {
    static let shared = Screen()

    private struct State {
        var block = Block()
        var lines: [DisplayLine] = []
        var isColored = false
    }
    private let state = Mutex(State())

    /// Draws the display, in one write(2); not while this process is in the background.
    func draw(_ lines: [DisplayLine], columns: Int, colored: Bool) {
        state.withLock { state in
            guard Terminal.isForeground(STDERR_FILENO) else { return state.block.forget() }
            state.lines = lines
            state.isColored = colored
            Self.write(state.block.draw(lines, columns: columns, colored: colored))
        }
    }

    /// Writes whole lines above the display.
    func print(_ text: String) {
        state.withLock { state in
            guard !state.block.isEmpty, Terminal.isForeground(STDERR_FILENO) else {
                state.block.forget()
                return Self.write(text)
            }
            let columns = Terminal.size(STDERR_FILENO).columns
            var output = state.block.clear(columns: columns) + text
            output += state.block.draw(state.lines, columns: columns, colored: state.isColored)
            Self.write(output)
        }
    }

    /// Takes the display away.
    func clear() {
        state.withLock { state in
            guard !state.block.isEmpty, Terminal.isForeground(STDERR_FILENO) else { return state.block.forget() }
            Self.write(state.block.clear(columns: Terminal.size(STDERR_FILENO).columns))
        }
    }

    /// Something else was written to the terminal, as by a shell while this process was stopped.
    func forget() { state.withLock { $0.block.forget() } }

    private static func write(_ text: String) {
        var left = Array(text.utf8)[...]
        while !left.isEmpty {
            let count = left.withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
            // With standard error gone there is nobody to tell.
            guard count > 0 || (count < 0 && errno == EINTR) else { return }
            left = left.dropFirst(max(0, count))
        }
    }
}
