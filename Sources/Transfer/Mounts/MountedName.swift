/// A short name for a directory on a server, with the options to reach it: `work` in `work:report.pdf`.
package struct MountedName: Sendable, Equatable {
    /// Letters, digits, `.`, `_` and `-`, a letter or digit first.
    package let name: String
    /// Without options: those of an nfs:// place are in ``options``.
    package let place: RemoteName
    /// As behind `-o`; empty: none.
    package let options: String

    /// - Parameters:
    ///   - place: `host:/export/path` or `nfs://host/export/path`.
    ///   - options: as behind `-o`, in the words of ``MountOptions``.
    /// - Throws: ``UsageError`` naming which of the three is wrong, and why.
    package init(_ name: String, place text: String, options: String) throws(UsageError) {
        try Self.check(name)
        guard let place = try RemoteName.parse(text) else {
            throw UsageError("'\(text)' is a local path; what to mount is written host:/export/path")
        }
        let all = (place.options + [options]).filter { !$0.isEmpty }.joined(separator: ",")
        var checked = MountOptions()
        try checked.apply(all)
        self.name = name
        self.place = RemoteName(host: place.host, path: place.path, options: [])
        self.options = all
    }

    /// - Throws: ``UsageError`` where it is no short name.
    package static func check(_ name: String) throws(UsageError) {
        func isAlphanumeric(_ byte: UInt8) -> Bool {
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
        }
        guard let first = name.utf8.first, isAlphanumeric(first),
            name.utf8.allSatisfy({ isAlphanumeric($0) || "._-".utf8.contains($0) })
        else {
            throw UsageError("'\(name)': a short name has letters, digits, '.', '_' and '-', a letter or digit first")
        }
    }

    /// What `name:path` means: `path` below the directory, its options those of the name.
    ///
    /// - Throws: ``UsageError`` where the path has `..` or a NUL in it.
    package func place(at path: String) throws(UsageError) -> RemoteName {
        let whole = try RemoteName.normalize("\(place.path)/\(path)"[...], "\(name):\(path)")
        return RemoteName(host: place.host, path: whole, options: options.isEmpty ? [] : [options])
    }

    /// Options with the files they name made absolute, as they are read from another working directory later.
    ///
    /// - Parameter directory: the working directory, absolute.
    /// - Throws: ``UsageError`` where a path cannot be written as an option.
    package static func absolute(_ options: [String], in directory: String) throws(UsageError) -> String {
        var kept: [String] = []
        for item in options.flatMap({ $0.split(separator: ",") }) {
            let parts = item.split(separator: "=", maxSplits: 1)
            guard parts.count == 2, MountOptions.namesOfFiles.contains(String(parts[0])), !parts[1].hasPrefix("/"),
                // An abstract socket (unix(7)) has no directory.
                !parts[1].hasPrefix("@")
            else {
                kept.append(String(item))
                continue
            }
            guard !directory.contains(",") else {
                throw UsageError("\(parts[0])=: the working directory '\(directory)' has a comma, which ends an option")
            }
            kept.append("\(parts[0])=\(directory == "/" ? "" : directory)/\(parts[1])")
        }
        return kept.joined(separator: ",")
    }
}
