package import NFS

/// An entry of a directory, or what a path names, as `xfer ls` shows it.
package struct Listing: Sendable {
    package let name: FileName
    package let object: Remote.Object
    /// Where a symbolic link points, where that was asked for and the server tells.
    package let link: FileName?

    package var attributes: FileAttributes { object.attributes }

    package enum Order: Sendable {
        case name
        /// The last modified first.
        case time
        /// The largest first.
        case size
        /// As the server has them: entries are given on as they come, and none is kept.
        case none
    }

    package struct Options: Sendable {
        package var order = Order.name
        package var reversed = false
        /// Names that begin with a dot, unfinished copies among them.
        package var hidden = false
        /// Asks where symbolic links point.
        package var links = false

        package init() {}
    }

    /// What `path` names itself: a symbolic link is not followed.
    package static func find(_ remote: Remote, path: String, _ options: Options = Options()) async throws -> Listing {
        let object = try await remote.find(path)
        let name = path.split(separator: "/").last.map(String.init) ?? "/"
        return await entry(remote, FileName(name), object, options)
    }

    /// The entries of a directory.
    ///
    /// - Parameters:
    ///   - unreachable: told of an entry whose attributes cannot be had; the others go on.
    ///   - body: gets each entry, in the order wished for.
    package static func each(
        _ remote: Remote, _ directory: Remote.Object, _ options: Options = Options(),
        unreachable: (any Error) -> Void, _ body: (Listing) throws -> Void
    ) async throws {
        var entries: [(name: FileName, object: Remote.Object)] = []
        try await remote.list(directory, unreachable: unreachable) { name, object in
            if !options.hidden && name.bytes.first == UInt8(ascii: ".") { return }
            entries.append((name, object))
            guard options.order == .none, entries.count == batch else { return }
            try Task.checkCancellation()
            for entry in await complete(remote, entries[...], options) { try body(entry) }
            entries.removeAll(keepingCapacity: true)
        }
        if options.order != .none {
            entries.sort { options.reversed ? precedes($1, $0, options.order) : precedes($0, $1, options.order) }
        }
        for start in stride(from: 0, to: entries.count, by: batch) {
            try Task.checkCancellation()
            let some = entries[start..<min(start + batch, entries.count)]
            for entry in await complete(remote, some, options) { try body(entry) }
        }
    }

    /// Entries whose links are read at once.
    private static let batch = 64

    private static func precedes(
        _ a: (name: FileName, object: Remote.Object), _ b: (name: FileName, object: Remote.Object), _ order: Order
    ) -> Bool {
        let (left, right) = (a.object.attributes, b.object.attributes)
        switch order {
        case .time where left.modificationTime != right.modificationTime:
            return left.modificationTime > right.modificationTime
        case .size where left.size != right.size: return left.size > right.size
        default: return a.name.bytes.lexicographicallyPrecedes(b.name.bytes)
        }
    }

    private static func complete(
        _ remote: Remote, _ entries: ArraySlice<(name: FileName, object: Remote.Object)>, _ options: Options
    ) async -> [Listing] {
        await withTaskGroup(of: (Int, Listing).self) { group in
            var listings = entries.map { Listing(name: $0.name, object: $0.object, link: nil) }
            guard options.links else { return listings }
            for (index, listing) in listings.enumerated() where listing.attributes.type == .symbolicLink {
                group.addTask { (index, await entry(remote, listing.name, listing.object, options)) }
            }
            for await (index, listing) in group { listings[index] = listing }
            return listings
        }
    }

    private static func entry(
        _ remote: Remote, _ name: FileName, _ object: Remote.Object, _ options: Options
    ) async -> Listing {
        let asks = options.links && object.attributes.type == .symbolicLink
        return Listing(name: name, object: object, link: asks ? try? await remote.readLink(object) : nil)
    }
}
