/// A place on a server, as a person writes it: `host:/export/path`, `[2001:db8::1]:/export/path`, or
/// `nfs://host:port/export/path?option=value&…` as libnfs has it.
package struct RemoteName: Sendable, Equatable, CustomStringConvertible {
    /// A DNS name or an address in digits, IPv6 without brackets.
    package let host: String
    /// Absolute, without `.` and empty components.
    package let path: String
    /// From an nfs:// name, its port and its query; from a short name, what it was mounted with: in the words of
    /// ``MountOptions``.
    package let options: [String]

    /// - Returns: nil where `text` is a local path: it has no colon, or a slash before the first one, as scp(1) decides.
    /// - Throws: ``UsageError`` naming what is wrong with it.
    package static func parse(_ text: String) throws(UsageError) -> RemoteName? {
        if text.hasPrefix("nfs://") { return try parseURL(text) }
        let host: Substring
        let rest: Substring
        if text.hasPrefix("[") {
            guard let close = text.firstIndex(of: "]") else { return nil }
            host = text[text.index(after: text.startIndex)..<close]
            rest = text[text.index(after: close)...]
            guard rest.hasPrefix(":") else { return nil }
        } else {
            guard let colon = text.firstIndex(of: ":"), !text[..<colon].contains("/") else { return nil }
            host = text[..<colon]
            rest = text[colon...]
        }
        return RemoteName(host: try check(host, text), path: try normalize(rest.dropFirst(), text), options: [])
    }

    init(host: String, path: String, options: [String]) {
        self.host = host
        self.path = path
        self.options = options
    }

    private static func parseURL(_ text: String) throws(UsageError) -> RemoteName {
        let rest = text.dropFirst("nfs://".count)
        let parts = rest.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        guard let location = parts.first, let slash = location.firstIndex(of: "/") else {
            throw UsageError("'\(text)': a name like nfs://host/export/path is wanted")
        }
        var authority = location[..<slash]
        var options: [String] = []
        if authority.hasPrefix("["), let close = authority.firstIndex(of: "]") {
            let after = authority[authority.index(after: close)...]
            if after.hasPrefix(":") { options.append("port=\(after.dropFirst())") }
            authority = authority[authority.index(after: authority.startIndex)..<close]
        } else if let colon = authority.lastIndex(of: ":") {
            options.append("port=\(authority[authority.index(after: colon)...])")
            authority = authority[..<colon]
        }
        if parts.count > 1 { options += parts[1].split(separator: "&").map(String.init) }
        return RemoteName(
            host: try check(authority, text), path: try normalize(location[slash...], text), options: options)
    }

    private static func check(_ host: Substring, _ text: String) throws(UsageError) -> String {
        guard !host.isEmpty, !host.contains(where: \.isWhitespace) else {
            throw UsageError("'\(text)': the host before the colon is missing")
        }
        return String(host)
    }

    static func normalize(_ path: Substring, _ text: String) throws(UsageError) -> String {
        guard path.hasPrefix("/") else {
            throw UsageError("'\(text)': the path behind the colon must begin with the export, like host:/export/path")
        }
        let components = path.split(separator: "/").filter { $0 != "." }
        guard !components.contains("..") else {
            throw UsageError("'\(text)': '..' is not allowed in a remote path")
        }
        guard !path.contains("\0") else { throw UsageError("a remote path with a NUL in it") }
        return "/" + components.joined(separator: "/")
    }

    /// The path's last component; nil for "/".
    package var lastComponent: String? { path.split(separator: "/").last.map(String.init) }

    package var description: String { host.contains(":") ? "[\(host)]:\(path)" : "\(host):\(path)" }
}

/// What was asked for makes no sense: the command line, a name, an option.
package struct UsageError: Error, Sendable, Equatable, CustomStringConvertible {
    package let description: String
    package init(_ description: String) { self.description = description }
}
