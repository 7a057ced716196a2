import Glibc
import Kernel
import SystemPackage

/// A directory that is served, as the administrator wrote it.
package struct Export: Hashable, Sendable {
    /// What clients call it: `/name`, or `/name/more`.
    package let name: String
    /// The directory.
    package let directory: String
    /// Who may use it and how.
    package let rules: [ExportRule]

    package init(name: String, directory: String, rules: [ExportRule]) throws(ExportError) {
        guard name.hasPrefix("/"), name.utf8.count > 1 else {
            throw ExportError(name, "a name begins with / and has something after it")
        }
        guard
            name.utf8.dropFirst().split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
                .allSatisfy({ !$0.isEmpty && !$0.elementsEqual(".".utf8) && !$0.elementsEqual("..".utf8) })
        else { throw ExportError(name, "a name has no empty, . or .. component") }
        guard name.utf8.count <= 255 else { throw ExportError(name, "a name has at most 255 bytes") }
        guard !directory.isEmpty else { throw ExportError(name, "no directory is given") }
        self.name = name
        self.directory = directory
        self.rules = rules
    }

    /// For everybody.
    package init(name: String, directory: String, options: ExportOptions) throws(ExportError) {
        try self.init(name: name, directory: directory, rules: [ExportRule(client: .everybody, options: options)])
    }

    private init(_ other: Export, rules: [ExportRule]) {
        name = other.name
        directory = other.directory
        self.rules = rules
    }

    /// The same directory for other clients.
    func with(_ rules: [ExportRule]) -> Export { Export(self, rules: rules) }

    /// Of `/name=DIR` or `/name=DIR,OPTION,...`, for everybody; the options are exports(5)'s, see ``ExportsFile``.
    ///
    /// - Parameter defaults: what holds where `text` says nothing.
    /// - Throws: ``ExportError`` that says what is wrong with it.
    package init(parsing text: String, defaults: ExportOptions = ExportOptions()) throws(ExportError) {
        guard let equals = text.firstIndex(of: "=") else {
            throw ExportError(text, "it is written /name=DIR,ro or /name=DIR,rw")
        }
        let name = String(text[..<equals])
        let words = text[text.index(after: equals)...].split(separator: ",", omittingEmptySubsequences: false)
        var options = ExportOptionWords(defaults)
        let wrong = options.take(words.dropFirst().map(String.init))
        guard wrong.isEmpty else {
            throw ExportError(name, wrong.map { "\($0.word): \($0.reason)" }.joined(separator: "; "))
        }
        if let reason = options.options.contradiction(for: .everybody) { throw ExportError(name, reason) }
        try self.init(name: name, directory: words.first.map(String.init) ?? "", options: options.options)
    }

    /// Why a directory cannot be served; nil where it is there.
    static func obstacle(toServing directory: String) -> String? {
        do throws(SystemError) {
            _ = try Files.open(directory, O_RDONLY | O_DIRECTORY)
            return nil
        } catch {
            return ServedExport.words(error.errno)
        }
    }
}

/// An export that cannot be served: which, and why.
package struct ExportError: Error, Hashable, Sendable, CustomStringConvertible {
    package let description: String
    /// Without the export's name.
    let reason: String

    init(_ description: String) {
        self.description = description
        reason = description
    }

    init(_ name: String, _ reason: String) {
        description = "export \(name): \(reason)"
        self.reason = reason
    }
}
