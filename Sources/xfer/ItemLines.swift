import NFS
import Synchronization
import Transfer

/// What a copy does or would do, one line for each thing: `--itemize-changes` and `--dry-run`.
///
///     new file  path
///     update    path (size, time)
///     delete    path/
enum ItemLines {
    /// - Returns: nil for what stays as it is.
    static func line(_ item: Item) -> String? {
        word(item).map { line($0, item, reasons: item.reasons.map(\.rawValue)) }
    }

    static func line(_ word: String, _ item: Item, reasons: [String]) -> String {
        let padded = word + String(repeating: " ", count: max(0, 9 - word.count))
        let isDirectory = item.type == .directory && item.path != "."
        let why = reasons.isEmpty ? "" : " (\(reasons.joined(separator: ", ")))"
        let detail = item.detail.map { ": \(escaped($0))" } ?? ""
        return "\(padded) \(escaped(item.path))\(isDirectory ? "/" : "")\(why)\(detail)"
    }

    private static func word(_ item: Item) -> String? {
        switch item.action {
        case .create:
            switch item.type {
            case .directory: "new dir"
            case .symbolicLink: "new link"
            default: "new file"
            }
        case .update: "update"
        case .attributes: "set"
        case .hardLink: "hardlink"
        case .delete: "delete"
        case .fail: "fail"
        case .unchanged, .skip: nil
        }
    }

    /// One line, whatever is in a name: control characters as `\ooo`, and the backslash as `\\`.
    static func escaped(_ text: String) -> String {
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            if scalar == "\\" {
                result.append(contentsOf: "\\\\".unicodeScalars)
            } else if scalar.properties.generalCategory == .control {
                let digits = String(scalar.value, radix: 8)
                result.append(
                    contentsOf: ("\\" + String(repeating: "0", count: 3 - min(3, digits.count)) + digits).unicodeScalars
                )
            } else {
                result.append(scalar)
            }
        }
        return String(result)
    }
}

/// Writes these lines to standard output as things happen.
final class ItemOutput: Sendable {
    private let output = Output()
    private let failure = Mutex<(any Error)?>(nil)

    var isTerminal: Bool { output.isTerminal }

    @Sendable func add(_ item: Item) {
        guard let line = ItemLines.line(item) else { return }
        do {
            try output.line(line)
        } catch {
            failure.withLock { $0 = error }
        }
    }

    /// - Throws: where standard output took not all of it, and somebody reads it.
    func end() throws {
        do {
            try output.flush()
            if let error = failure.withLock({ $0 }) { throw error }
        } catch is Output.Closed {
            // The copy itself was asked for, and is done.
        }
    }
}
