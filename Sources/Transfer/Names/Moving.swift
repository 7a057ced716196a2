import NFS

extension Remote {
    /// `xfer mv`: gives what is at `source` the name `destination`, or its own name in the directory `destination`.
    ///
    /// Nothing is ever lost but what had the name before, and that only where `replacing` allows it. RENAME does it in one
    /// step.
    ///
    /// - Parameters:
    ///   - source: full, on the server, as `destination`.
    ///   - intoDirectory: `destination` must be a directory.
    ///   - replacing: whether what has the name may be replaced. Where not, a file gets its name by LINK, which never
    ///     replaces, so that nobody who makes one at that moment loses it.
    /// - Returns: the path it has now, for a person.
    package func move(
        _ source: String, to destination: String, intoDirectory: Bool = false, replacing: Bool = true
    ) async throws -> String {
        try checkWritable(source)
        let from = try await place(source)
        guard let object = try await lookup(from) else { throw NFSError(.noEntry, .lookup, from.path) }
        let to = try await target(destination, from, intoDirectory)
        guard from.operation != to.operation else {
            throw TransferError(.server, "\(from.path): has that name already")
        }
        if object.attributes.type == .directory, isInside(to, source) {
            throw TransferError(.server, "\(from.path): a directory cannot go into itself, as \(to.path)")
        }
        let there = try await lookup(to)
        if let there {
            if isSame(there, object) {
                // With one link it is one name, written otherwise: the server does not tell upper from lower case. With
                // more, RENAME would do nothing and say that it went well (RFC 1813 section 3.3.14).
                guard object.attributes.linkCount == 1 || object.attributes.type == .directory else {
                    throw TransferError(.server, "\(from.path): is the same file as \(to.path); both names are kept")
                }
            } else if !replacing {
                throw TransferError(.server, "\(to.path): is there, and is not replaced (-n)")
            } else if object.attributes.type == .directory, there.attributes.type != .directory {
                throw TransferError(.server, "\(to.path): is not a directory, and cannot be replaced with one")
            }
        }
        if !replacing, there == nil, object.attributes.type != .directory, try await link(object, from, to) {
            return to.path
        }
        try await rename(object, from, to)
        return to.path
    }

    private func target(_ destination: String, _ from: Place, _ intoDirectory: Bool) async throws -> Place {
        func inside(_ directory: Object) -> Place {
            Place(directory: directory, name: from.name, path: "\(directory.path)/\(from.name)")
        }
        if isExport(destination) { return inside(try await find(destination)) }
        let place = try await place(destination)
        if let there = try await lookup(place), there.attributes.type == .directory { return inside(there) }
        guard !intoDirectory else { throw TransferError(.server, "\(place.path): is not a directory") }
        return place
    }

    private func isInside(_ to: Place, _ source: String) -> Bool {
        to.directory.path == "\(session.host):\(source)" || to.directory.path.hasPrefix("\(session.host):\(source)/")
    }

    private func isSame(_ one: Object, _ other: Object) -> Bool {
        one.attributes.fileID == other.attributes.fileID && one.attributes.fileSystem == other.attributes.fileSystem
    }

    /// - Returns: false where the server makes no such links.
    private func link(_ object: Object, _ from: Place, _ to: Place) async throws -> Bool {
        do {
            _ = try await session.nfs(
                NFS.Link.self, NFS.Link.Arguments(object.handle, link: to.operation), subject: to.path)
        } catch let error as NFSError where error.status == .exists {
            // Made by the first of two calls, whose reply was lost, or by somebody else.
            guard let there = try await lookup(to), isSame(there, object) else {
                throw TransferError(.server, "\(to.path): is there, and is not replaced (-n)")
            }
        } catch let error as NFSError
            where [.notSupported, .notPermitted, .invalid, .tooManyLinks].contains(error.status)
        {
            return false
        }
        do {
            _ = try await session.nfs(NFS.Remove.self, from.operation, subject: from.path)
        } catch let error as NFSError where error.status == .noEntry {
            // As with a reply that was lost.
        }
        return true
    }

    private func rename(_ object: Object, _ from: Place, _ to: Place) async throws {
        do {
            _ = try await session.nfs(
                NFS.Rename.self, NFS.Rename.Arguments(from: from.operation, to: to.operation), subject: from.path)
        } catch let error as NFSError where error.status == .noEntry {
            // The first of two calls did it, and its reply was lost: the name tells.
            guard let there = try? await lookup(to), isSame(there, object) else { throw error }
        } catch let error as NFSError where error.status == .crossDevice {
            throw TransferError(
                .server, "\(from.path): \(error.status?.text ?? ""): xfer get it, put it as \(to.path), then xfer rm it"
            )
        }
    }
}
