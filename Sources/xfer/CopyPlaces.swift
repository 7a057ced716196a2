import Transfer

/// Sources and a destination, as get, put and sync take them.
enum CopyPlaces {
    /// Places on one server.
    struct RemoteSources: Sendable {
        /// The first of them.
        let name: RemoteName
        let sources: [Copy.RemoteSource]
        let label: String

        /// - Throws: ``UsageError`` where one is no place on a server, or not on the same one as the others.
        init(_ texts: some Sequence<String>) throws(UsageError) {
            var names: [RemoteName] = []
            var sources: [Copy.RemoteSource] = []
            for text in texts {
                guard let name = try Place.remote(text) else {
                    throw UsageError("'\(text)' is a local path; what to fetch is written host:/export/path")
                }
                if let first = names.first, first.host != name.host || first.options != name.options {
                    throw UsageError("'\(text)': is on another server than '\(first)'; one at a time")
                }
                names.append(name)
                sources.append(Copy.RemoteSource(path: name.path, contents: text.hasSuffix("/")))
            }
            guard let name = names.first else { throw UsageError("what to fetch is missing: host:/export/path") }
            self.name = name
            self.sources = sources
            label = names.count == 1 ? name.lastComponent ?? name.path : "\(names.count) sources"
        }
    }

    /// Sources on a server, and the destination behind them, or the working directory.
    static func fetched(_ places: [String]) throws(UsageError) -> (RemoteSources, destination: String) {
        guard let last = places.last, places.count > 1, try Place.remote(last) == nil else {
            return (try RemoteSources(places), ".")
        }
        return (try RemoteSources(places.dropLast()), last)
    }

    /// Local sources, and the destination on a server behind them.
    static func pushed(_ places: [String]) throws(UsageError) -> ([String], destination: RemoteName) {
        guard places.count > 1, let last = places.last else {
            throw UsageError("a source and a destination are wanted: xfer put FILE host:/export/path")
        }
        guard let destination = try Place.remote(last) else {
            throw UsageError("'\(last)' is a local path; where to push is written host:/export/path")
        }
        return (try local(places.dropLast()), destination)
    }

    static func local(_ texts: some Sequence<String>) throws(UsageError) -> [String] {
        for text in texts where try Place.remote(text) != nil {
            throw UsageError("'\(text)' is on a server, as the destination is: one side must be here")
        }
        return Array(texts)
    }

    /// What a display calls local sources.
    static func label(_ sources: [String]) -> String {
        guard sources.count == 1, let source = sources.first else { return "\(sources.count) sources" }
        return source.split(separator: "/").last.map(String.init) ?? source
    }
}
