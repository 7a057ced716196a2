package import NFS
import RPC
import Synchronization

extension Remote {
    /// All entries of a directory but `.` and `..`, each once, in the server's order, with attributes and handles.
    ///
    /// Where the server has no READDIRPLUS that works, by READDIR and a LOOKUP of each name. A listing that the server
    /// cannot go on with, because the directory changed (NFS3ERR_BAD_COOKIE), is begun again.
    ///
    /// - Parameters:
    ///   - unreachable: told of an entry that cannot be looked up; what it throws ends the listing.
    ///   - body: gets each entry.
    package func list(
        _ directory: Object, unreachable: (any Error) throws -> Void = { throw $0 },
        _ body: (FileName, Object) async throws -> Void
    ) async throws {
        let place = RemoteDirectory(handle: directory.handle, path: directory.path)
        try await listPages(place, unreachable: unreachable) { page in
            for (name, node) in page {
                guard let handle = node.handle else { continue }
                let path = "\(directory.path)/\(name)"
                try await body(name, Object(handle: handle, attributes: node.attributes, path: path))
            }
        }
    }

    /// The same, as many entries at a time as one call has brought. All have their handles.
    func listPages(
        _ directory: RemoteDirectory, unreachable: (any Error) throws -> Void = { throw $0 },
        _ body: ([(FileName, Node)]) async throws -> Void
    ) async throws {
        var listed: Set<FileName> = []
        for _ in 1...Self.beginnings {
            do {
                return try await list(directory, &listed, unreachable, body)
            } catch let error as ListingError where error.again == directory.handle {
                // What is listed already is left out the second time.
            }
        }
        throw TransferError(.server, "\(directory.path): changes too fast to be listed")
    }

    /// How often a listing is begun.
    private static let beginnings = 10

    /// The listing has to be begun again. With the handle, as one in `body` is not this one's matter.
    private struct ListingError: Error {
        let again: FileHandle
    }

    private func list(
        _ directory: RemoteDirectory, _ listed: inout Set<FileName>, _ unreachable: (any Error) throws -> Void,
        _ body: ([(FileName, Node)]) async throws -> Void
    ) async throws {
        var cookie: UInt64 = 0
        var verifier: NFS.Verifier = 0
        var cookies: Set<UInt64> = []
        var size = directorySize
        while true {
            let page: DirectoryListing
            do {
                if cookie == 0, let ahead = await listingsAhead.take(directory.handle) {
                    page = ahead
                } else {
                    page = try await self.page(directory, cookie, verifier, size)
                }
            } catch let error as NFSError where error.status == .badCookie && cookie != 0 {
                throw ListingError(again: directory.handle)
            } catch let error as NFSError
                where error.status == .tooSmall && size < TransferSizes.largestDirectory
                && lacksReadDirPlus.load(ordering: .relaxed)
            {
                size = min(4 * size, TransferSizes.largestDirectory)
                continue
            }
            verifier = page.verifier
            var found: [(FileName, Node)] = []
            found.reserveCapacity(page.entries.count)
            var missing: [Missing] = []
            listed.reserveCapacity(listed.count + page.entries.count)
            for entry in page.entries {
                cookie = entry.cookie
                if entry.name.isDots { continue }
                // A name with a slash would lead out of the directory it is written to.
                guard entry.name.isComponent else {
                    throw TransferError(.server, "\(directory.path): the server named an entry '\(entry.name)'")
                }
                guard listed.insert(entry.name).inserted else { continue }
                if let handle = entry.handle, let attributes = entry.attributes {
                    found.append((entry.name, Node(attributes: attributes, handle: handle)))
                } else {
                    missing.append(Missing(name: entry.name, place: found.count))
                }
            }
            if !missing.isEmpty { found = try await lookUp(missing, in: directory, among: found, unreachable) }
            try await body(found)
            if page.endOfDirectory { return }
            guard !page.entries.isEmpty, cookies.insert(cookie).inserted else {
                throw TransferError(.server, "\(directory.path): the server's listing does not go on")
            }
        }
    }

    /// Asks for the first page of a directory that will be listed soon.
    func prepareListing(_ directory: RemoteDirectory) {
        listingsAhead.begin(directory.handle) { [self] in try await page(directory, 0, 0, directorySize) }
    }

    /// One call of READDIRPLUS or READDIR.
    private func page(
        _ directory: RemoteDirectory, _ cookie: UInt64, _ verifier: NFS.Verifier, _ size: Int
    ) async throws -> DirectoryListing {
        if !lacksReadDirPlus.load(ordering: .relaxed) {
            do {
                return try await call(
                    NFS.ReadDirPlus.number,
                    NFS.ReadDirPlus.Arguments(
                        directory.handle, cookie: cookie, verifier: verifier,
                        directoryCount: UInt32(clamping: size / 4), maximumCount: UInt32(clamping: size)), directory
                ) { (results) throws(NFSError) in try NFS.ReadDirPlus.decode(results, subject: directory.path) }
            } catch let error as NFSError where error.status == .notSupported || error.status == .tooSmall {
                lacksReadDirPlus.store(true, ordering: .relaxed)
            } catch let error as TransferError
                where error.refusal == .procedureUnavailable(NFS.ReadDirPlus.number.rawValue)
            {
                lacksReadDirPlus.store(true, ordering: .relaxed)
            }
            // Nobody promises that READDIR takes READDIRPLUS's cookies.
            if cookie != 0 { throw ListingError(again: directory.handle) }
        }
        return try await call(
            NFS.ReadDir.number,
            NFS.ReadDir.Arguments(
                directory.handle, cookie: cookie, verifier: verifier, count: UInt32(clamping: size)), directory
        ) { (results) throws(NFSError) in try NFS.ReadDir.decode(results, subject: directory.path) }
    }

    private func call(
        _ procedure: NFS.ProcedureNumber, _ arguments: some XDRValue, _ directory: RemoteDirectory,
        _ decode: (UnsafeRawBufferPointer) throws(NFSError) -> DirectoryListing
    ) async throws -> DirectoryListing {
        let encoded = try session.encode(directory.path) { () throws(XDREncodingError) in
            try XDRCoder.encode(arguments)
        }
        return try await session.patiently(directory.path) {
            let reply = try await session.call(
                procedure: procedure.rawValue, arguments: encoded, subject: directory.path)
            return try reply.results.withUnsafeBytes { try decode($0) }
        }
    }

    /// LOOKUPs at once of entries that came without attributes or handle.
    private static let lookups = 32

    /// An entry that came without attributes or handle.
    private struct Missing {
        let name: FileName
        /// How many that came with them are before it.
        let place: Int
    }

    /// Looks up what is missing, and puts what is still there in its place among the others.
    private func lookUp(
        _ missing: [Missing], in directory: RemoteDirectory, among found: [(FileName, Node)],
        _ unreachable: (any Error) throws -> Void
    ) async throws -> [(FileName, Node)] {
        let names = missing.map(\.name)
        let results = await withTaskGroup(of: (Int, Result<Object?, any Error>).self) { group in
            var results = [Result<Object?, any Error>](repeating: .success(nil), count: names.count)
            var left = names.indices[...]
            for index in left.prefix(Self.lookups) {
                group.addTask { (index, await self.object(names[index], in: directory)) }
            }
            left = left.dropFirst(Self.lookups)
            for await (index, result) in group {
                results[index] = result
                if let next = left.popFirst() {
                    group.addTask { (next, await self.object(names[next], in: directory)) }
                }
            }
            return results
        }
        try Task.checkCancellation()
        var all: [(FileName, Node)] = []
        var next = 0
        for (missing, result) in zip(missing, results) {
            all += found[next..<missing.place]
            next = missing.place
            switch result {
            case .success(let object?):
                all.append((missing.name, Node(attributes: object.attributes, handle: object.handle)))
            // It was removed since it was listed.
            case .success(nil): break
            case .failure(let error): try unreachable(error)
            }
        }
        return all + found[next...]
    }

    private func object(_ name: FileName, in directory: RemoteDirectory) async -> Result<Object?, any Error> {
        do {
            return .success(try await lookup(name, in: directory.handle, path: "\(directory.path)/\(name)"))
        } catch let error as NFSError where error.status == .noEntry || error.status == .stale {
            return .success(nil)
        } catch {
            return .failure(error)
        }
    }
}
