import Transfer

/// What somebody names on the command line.
enum Place {
    /// A place on a server: `host:/export/path`, an nfs:// URL, or `name:path` below what `xfer mount` gave the name to;
    /// nil for a local path. A slash behind the colon makes it a host, whatever names there are.
    ///
    /// - Throws: ``UsageError`` naming what is wrong with it.
    static func remote(_ text: String) throws(UsageError) -> RemoteName? {
        guard let (name, path) = shortName(text) else { return try RemoteName.parse(text) }
        let table = try table()
        guard let mounted = table[name] else {
            throw UsageError(
                "'\(text)': '\(name)' is no mounted name (\(table.known)). "
                    + "On a server called that, the path begins with the export: \(name):/export/path. "
                    + "A local file is written ./\(text)")
        }
        return try mounted.place(at: path)
    }

    /// Whether a place is all that a short name stands for: `work:` or `work:.`
    static func isWholeMount(_ text: String) -> Bool {
        guard let path = shortName(text)?.path else { return false }
        return path.split(separator: "/").allSatisfy { $0 == "." }
    }

    /// `name:path` taken apart; nil where it is a local path, a URL or has a slash behind the colon.
    private static func shortName(_ text: String) -> (name: String, path: String)? {
        guard !text.hasPrefix("["), !text.hasPrefix("nfs://"), let colon = text.firstIndex(of: ":") else { return nil }
        let (name, path) = (text[..<colon], text[text.index(after: colon)...])
        guard !name.isEmpty, !name.contains("/"), !name.contains(where: \.isWhitespace), !path.hasPrefix("/") else {
            return nil
        }
        return (String(name), String(path))
    }

    /// Where the short names are.
    static var file: MountTableFile { MountTableFile(StateDirectory.client + "/mounts") }

    private static func table() throws(UsageError) -> MountTable {
        do {
            return try file.read()
        } catch let error as UsageError {
            throw error
        } catch {
            throw UsageError("\(error)")
        }
    }
}
