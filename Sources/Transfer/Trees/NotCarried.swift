import Synchronization

/// What a copy has not and its source has: counted, and said once for each run.
final class NotCarried: Sendable {
    enum Loss: CaseIterable, Sendable {
        /// xattr(7), acl(5)
        case extendedAttributes
        /// See ``CopyRules/mode(_:)``.
        case setID
        case time
    }

    private let found = Mutex<[Loss: (count: Int, first: String)]>([:])

    /// - Parameter path: of a file that has it.
    func add(_ loss: Loss, _ path: @autoclosure () -> String) {
        found.withLock { found in
            if let before = found[loss] {
                found[loss] = (before.count + 1, before.first)
            } else {
                found[loss] = (1, path())
            }
        }
    }

    /// For a person, one line each.
    var notes: [String] {
        let found = found.withLock { $0 }
        return Loss.allCases.compactMap { loss in found[loss].map { Self.note(loss, $0.count, $0.first) } }
    }

    private static func note(_ loss: Loss, _ count: Int, _ first: String) -> String {
        let files = count == 1 ? first : "\(count) files"
        let example = count == 1 ? "" : " (first: \(first))"
        return switch loss {
        case .extendedAttributes:
            "extended attributes or access control lists of \(files) were not copied: NFS version 3 has none\(example)"
        case .setID:
            "the set-user-ID or set-group-ID bit of \(files) was not copied: only --owner keeps it\(example)"
        case .time:
            "the time of \(files) was not kept: NFS version 3 has none before 1970 or after 2106\(example)"
        }
    }
}
