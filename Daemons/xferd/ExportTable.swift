import FileServer
import Logging

/// What is to be served: of the command line, and of a file that can be read again.
struct ExportTable {
    /// Where the file is when nobody says so.
    static let defaultFile = "/etc/tlsd/exports"

    private let fixed: [Export]
    /// Nil: there is none.
    private let file: String?

    /// - Parameters:
    ///   - words: `/name=DIR,OPTION,...`
    ///   - defaults: the options of those that `words` do not name.
    ///   - file: nil is the default one if `words` is empty, and none otherwise.
    /// - Throws: ``ExportError``.
    init(_ words: [String], defaults: ExportOptions, file: String?) throws {
        fixed = try words.map { try Export(parsing: $0, defaults: defaults) }
        self.file = file ?? (words.isEmpty ? Self.defaultFile : nil)
    }

    /// Both, the file as it is now.
    ///
    /// - Throws: ``ExportsFileError``.
    func load() throws -> [Export] { fixed + (try file.map { try ExportsFile.load($0) } ?? []) }

    /// SIGHUP: loads the file anew. Connections and transfers go on; with a mistake in the file, everything does.
    func reload(_ server: FileServer, _ log: Logger) {
        guard let file else { return log.notice("SIGHUP: there is no exports file to load anew") }
        do {
            let exports = try load()
            try server.reload(exports)
            log.notice("exports loaded", metadata: ["file": "\(file)", "exports": "\(exports.count)"])
        } catch let error as ExportsFileError {
            for line in error.lines { log.error("\(line)") }
            log.error("the exports stay as they were", metadata: ["file": "\(file)"])
        } catch {
            log.error("the exports stay as they were", metadata: ["file": "\(file)", "reason": "\(error)"])
        }
    }
}
