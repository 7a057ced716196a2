import CLinux
import Glibc

/// What is asked of a terminal, and what its characters are like.
package enum Terminal {
    package struct Size: Sendable, Equatable {
        package var columns: Int
        package var rows: Int

        package init(columns: Int, rows: Int) {
            self.columns = columns
            self.rows = rows
        }
    }

    /// ioctl_tty(2), TIOCGWINSZ; 80 by 24 where the terminal does not know.
    package static func size(_ descriptor: Int32) -> Size {
        var size = winsize()
        guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else {
            return Size(columns: 80, rows: 24)
        }
        return Size(columns: Int(size.ws_col), rows: Int(size.ws_row))
    }

    /// Whether this process is in the foreground of its terminal: one in the background must not draw.
    package static func isForeground(_ descriptor: Int32) -> Bool { tcgetpgrp(descriptor) == getpgrp() }

    /// Columns that a character takes, 0 to 2: wcwidth(3) in UTF-8, whatever the locale; 1 for control characters, which
    /// are shown as question marks.
    package static func columns(_ scalar: Unicode.Scalar) -> Int {
        if (0x20..<0x7f).contains(scalar.value) { return 1 }
        let columns = Int(clinux_columns(scalar.value))
        return columns < 0 ? 1 : columns
    }
}
