/// A directory that is served, as the administrator wrote it.
package struct Export: Hashable, Sendable {
    /// What clients call it: `/name`, or `/name/more`.
    package let name: String
    /// The directory.
    package let directory: String
    /// Who may use it and how.
    package let rules: [ExportRule]

    package init(name: String, directory: String, rules: [ExportRule]) throws(ExportError) {
        guard name.hasPrefix("/"), name.count > 1 else {
            throw ExportError("export \(name): a name begins with / and has something after it")
        }
        guard
            name.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
                .allSatisfy({ !$0.isEmpty && $0 != "." && $0 != ".." })
        else { throw ExportError("export \(name): a name has no empty, . or .. component") }
        guard name.utf8.count <= 255 else { throw ExportError("export \(name): a name has at most 255 bytes") }
        guard !directory.isEmpty else { throw ExportError("export \(name): no directory is given") }
        self.name = name
        self.directory = directory
        self.rules = rules
    }

    /// For everybody.
    package init(name: String, directory: String, options: ExportOptions) throws(ExportError) {
        try self.init(name: name, directory: directory, rules: [ExportRule(client: .everybody, options: options)])
    }

    /// Of `/name=DIR` or `/name=DIR,ro` or `/name=DIR,rw`; read-only unless it says `rw`.
    ///
    /// - Parameter defaults: the options, but for those that the text names.
    /// - Throws: ``ExportError`` that says what is wrong with it.
    package init(parsing text: String, defaults: ExportOptions = ExportOptions()) throws(ExportError) {
        guard let equals = text.firstIndex(of: "=") else {
            throw ExportError("export \(text): it is written /name=DIR,ro or /name=DIR,rw")
        }
        let name = String(text[..<equals])
        let words = text[text.index(after: equals)...].split(separator: ",", omittingEmptySubsequences: false)
        var access: Bool?
        for word in words.dropFirst() {
            switch word {
            case "ro", "rw":
                guard access == nil else { throw ExportError("export \(name): ro or rw is given more than once") }
                access = word == "rw"
            default: throw ExportError("export \(name): unknown option \"\(word)\": there are ro and rw")
            }
        }
        var options = defaults
        options.readOnly = access != true
        try self.init(name: name, directory: words.first.map(String.init) ?? "", options: options)
    }
}

/// An export that cannot be served: which, and why.
package struct ExportError: Error, Hashable, Sendable, CustomStringConvertible {
    package let description: String

    init(_ description: String) { self.description = description }
}
