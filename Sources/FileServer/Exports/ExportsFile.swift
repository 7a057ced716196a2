import Glibc
import Kernel
import SystemPackage

/// The exports file: what is served to whom, in the words of exports(5).
///
///     /srv/data            -ro  192.0.2.0/24  build.example.org(rw)  alice@example.org(rw,tlscertuser)
///     /music=/srv/my\040music   *(ro,xprtsec=tls:mtls)
///
/// A path, or `/name=/path` where clients call it by another name; then clients, each with its options behind it in
/// parentheses. `-` begins options for the clients behind them on the line. A path that stands on several lines has the
/// clients of all of them. Options that are not given are as exports(5) has them, but for `xprtsec=mtls` and `insecure`.
package enum ExportsFile {
    /// Bytes.
    static let sizeLimit = 4 << 20

    /// - Parameters:
    ///   - name: what the file is called in messages.
    ///   - checksDirectories: whether a directory that is not there is a mistake.
    /// - Throws: ``ExportsFileError`` with every mistake there is.
    package static func parse(
        _ text: [UInt8], name: String, checksDirectories: Bool = false
    ) throws(ExportsFileError) -> [Export] {
        var parser = ExportsFileParser(checksDirectories: checksDirectories)
        parser.read(text)
        guard parser.mistakes.isEmpty else { throw ExportsFileError(file: name, mistakes: parser.mistakes) }
        return parser.exports
    }

    /// Reads the file `path`, and sees whether the directories are there.
    ///
    /// - Throws: ``ExportsFileError``.
    package static func load(_ path: String) throws(ExportsFileError) -> [Export] {
        let text: [UInt8]
        do throws(SystemError) {
            text = try contents(path)
        } catch {
            let isMissing = error.errno == .noSuchFileOrDirectory
            throw ExportsFileError(
                file: path, mistakes: [.init(isMissing ? "no such file" : "\(error.errno)")], isMissing: isMissing)
        }
        guard text.count <= sizeLimit else {
            throw ExportsFileError(file: path, mistakes: [.init("it has more than \(sizeLimit) bytes")])
        }
        return try parse(text, name: path, checksDirectories: true)
    }

    /// At most one byte more than the limit.
    private static func contents(_ path: String) throws(SystemError) -> [UInt8] {
        // O_NONBLOCK: a FIFO of that name must not stop a reload for ever.
        let file = try Files.open(path, O_RDONLY | O_NONBLOCK)
        let size = try Files.status(file.raw).st_size
        var bytes = [UInt8](repeating: 0, count: min(Int(clamping: size), sizeLimit) + 1)
        var result: Result<Int, SystemError> = .success(0)
        bytes.withUnsafeMutableBytes { buffer in
            result = Result { () throws(SystemError) in try Files.read(file.raw, into: buffer, at: 0) }
        }
        return Array(bytes.prefix(try result.get()))
    }

    /// The exports as a file would say them, a line for each client with all options.
    package static func lines(_ exports: [Export]) -> [String] {
        exports.flatMap { export in
            let name = ExportsFileWord.escaping(export.name)
            let path =
                export.name == export.directory ? name : "\(name)=\(ExportsFileWord.escaping(export.directory))"
            return export.rules.map { "\(path) \($0.client)(\($0.options.words))" }
        }
    }
}
