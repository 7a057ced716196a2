import Glibc

/// Where xfer keeps what is the user's: the XDG base directories.
enum StateDirectory {
    /// The user's own certificate and authorities as a client.
    static var client: String { base("XDG_CONFIG_HOME", ".config") + "/tlsd" }

    /// The authority and the certificates of `xfer serve`.
    static var serve: String { base("XDG_DATA_HOME", ".local/share") + "/tlsd/serve" }

    /// What `xfer jobs` has done and has left.
    static var jobs: String { base("XDG_STATE_HOME", ".local/state") + "/tlsd/jobs" }

    private static func base(_ variable: String, _ standard: String) -> String {
        if let value = getenv(variable), value.pointee != 0 { return String(cString: value) }
        return "\(getenv("HOME").map { String(cString: $0) } ?? "/root")/\(standard)"
    }

    /// mkdir -p, mode 0700.
    static func make(_ path: String) {
        var at = path.hasPrefix("/") ? "/" : ""
        for component in path.split(separator: "/") {
            at += "\(component)/"
            mkdir(at, 0o700)
        }
    }
}
