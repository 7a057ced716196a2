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
        try await list(
            RemoteDirectory(handle: directory.handle, path: directory.path), unreachable: unreachable, body)
    }

    func list(
        _ directory: RemoteDirectory, unreachable: (any Error) throws -> Void = { throw $0 },
        _ body: (FileName, Object) async throws -> Void
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
        _ body: (FileName, Object) async throws -> Void
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
            var entries: [DirectoryEntry] = []
            for entry in page.entries {
                cookie = entry.cookie
                if entry.name == "." || entry.name == ".." { continue }
                // A name with a slash would lead out of the directory it is written to.
                guard !entry.name.bytes.contains(UInt8(ascii: "/")), entry.name.count > 0,
                    !entry.name.bytes.contains(0)
                else {
                    throw TransferError(.server, "\(directory.path): the server named an entry '\(entry.name)'")
                }
                if listed.insert(entry.name).inserted { entries.append(entry) }
            }
            for (name, found) in try await objects(entries, in: directory) {
                switch found {
                case .success(let object?): try await body(name, object)
                // It was removed since it was listed.
                case .success(nil): break
                case .failure(let error): try unreachable(error)
                }
            }
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

    /// The entries' objects in their order; nil for what is gone.
    private func objects(
        _ entries: [DirectoryEntry], in directory: RemoteDirectory
    ) async throws -> [(FileName, Result<Object?, any Error>)] {
        var found = entries.map { entry -> (FileName, Result<Object?, any Error>) in
            let object = entry.handle.flatMap { handle in
                entry.attributes.map {
                    Object(handle: handle, attributes: $0, path: "\(directory.path)/\(entry.name)")
                }
            }
            return (entry.name, .success(object))
        }
        var missing = entries.indices.filter { entries[$0].handle == nil || entries[$0].attributes == nil }[...]
        await withTaskGroup(of: (Int, Result<Object?, any Error>).self) { group in
            for index in missing.prefix(Self.lookups) {
                group.addTask { (index, await self.object(entries[index].name, in: directory)) }
            }
            missing = missing.dropFirst(Self.lookups)
            for await (index, result) in group {
                found[index].1 = result
                if let next = missing.popFirst() {
                    group.addTask { (next, await self.object(entries[next].name, in: directory)) }
                }
            }
        }
        try Task.checkCancellation()
        return found
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
