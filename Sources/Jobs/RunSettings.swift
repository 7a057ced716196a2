import Transfer

/// What a run was started with, so that one that goes on needs not be told again. No secret is among it: of keys the paths.
package struct RunSettings: Sendable, Equatable {
    /// An absolute path, or `-`.
    package let input: String
    /// The working directory of the first run, absolute: where relative local paths begin.
    package let directory: String
    /// Of every job, and `-o`.
    package var options: JobOptions
    package var recordLayer: String
    /// Of the last run: when it began, in seconds since 1970, and how many jobs had an outcome then.
    package var began = 0.0
    package var endedBefore = 0

    package init(input: String, directory: String, options: JobOptions, recordLayer: String) {
        self.input = input
        self.directory = directory
        self.options = options
        self.recordLayer = recordLayer
        // Elsewhere a relative path would be another file's.
        self.options.mount = options.mount.map { text in
            text.split(separator: ",").map { item in
                let parts = item.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                guard parts.count == 2, ["cafile", "cert", "key", "tlscd"].contains(parts[0]),
                    !parts[1].hasPrefix("@"), !parts[1].isEmpty
                else { return String(item) }
                return "\(parts[0])=\(Job.local(String(parts[1]), in: directory))"
            }.joined(separator: ",")
        }
    }

    /// - Returns: nil where the state has none: its first run was killed before it wrote them.
    /// - Throws: ``JobsError``
    package init?(_ store: JobStore) throws {
        guard let input = try store.setting("input"), let directory = try store.setting("directory") else { return nil }
        self.input = input
        self.directory = directory
        do throws(UsageError) {
            options = try JobOptions(stored: try? store.setting("options"))
        } catch {
            throw JobsError("\(store.path): \(error)")
        }
        recordLayer = try store.setting("record-layer") ?? "auto"
        began = Double(try store.setting("began") ?? "") ?? 0
        endedBefore = Int(try store.setting("ended-before") ?? "") ?? 0
    }

    /// - Throws: ``JobsError``
    package func store(in store: JobStore) throws {
        try store.set([
            ("input", input), ("directory", directory), ("options", options.stored), ("record-layer", recordLayer),
            ("began", "\(began)"), ("ended-before", "\(endedBefore)"),
        ])
    }
}
