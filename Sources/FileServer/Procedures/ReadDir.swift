import CProtocol
import Glibc
import Kernel
import NFS
import RPC
import SystemPackage

extension Request {
    /// RFC 1813 section 3.3.16.
    func readDir(_ arguments: UnsafeRawBufferPointer) -> Answer {
        guard let arguments = NFS.ReadDir.Arguments.decode(arguments, READDIR3args()) else { return .garbageArguments }
        return list(
            arguments.directory, from: arguments.cookie, arguments.verifier, nameLimit: .max,
            limit: Int(arguments.count), plus: false)
    }

    /// RFC 1813 section 3.3.17.
    func readDirPlus(_ arguments: UnsafeRawBufferPointer) -> Answer {
        guard let arguments = NFS.ReadDirPlus.Arguments.decode(arguments, READDIRPLUS3args()) else {
            return .garbageArguments
        }
        return list(
            arguments.directory, from: arguments.cookie, arguments.verifier, nameLimit: Int(arguments.directoryCount),
            limit: Int(arguments.maximumCount), plus: true)
    }

    /// - Parameters:
    ///   - cookie: 0, or an entry's, see ``DirectoryListings``.
    ///   - nameLimit: bytes that file numbers, names and cookies may have.
    ///   - limit: bytes that all of the results may have.
    private func list(
        _ handle: FileHandle, from cookie: UInt64, _ verifier: NFS.Verifier, nameLimit: Int, limit: Int, plus: Bool
    ) -> Answer {
        var directory: OpenFile?
        do throws(NFSStatus) {
            let found = try server.directory(handle)
            directory = found
            let attributes = try found.attributes()
            let mine = try server.listings.verifier(found)
            guard cookie == 0 || verifier == mine else { throw .badCookie }
            var listing = DirectoryListing(attributes: attributes, verifier: mine, entries: [], endOfDirectory: false)
            try fill(
                &listing, of: found, from: cookie, nameLimit: nameLimit, limit: min(limit, FileServer.listingMaximum),
                plus: plus)
            guard let bytes = try? listing.encode(plus: plus) else { return .systemError }
            return .results(bytes)
        } catch {
            guard let bytes = try? DirectoryListing.encode(error, try? directory?.attributes()) else {
                return .systemError
            }
            return .results(bytes)
        }
    }

    private func fill(
        _ listing: inout DirectoryListing, of directory: OpenFile, from cookie: UInt64, nameLimit: Int, limit: Int,
        plus: Bool
    ) throws(NFSStatus) {
        var page = ListingPage(listing, nameLimit: nameLimit, limit: limit, plus: plus)
        if let bits = try server.listings.nameBits(directory) {
            try fill(&page, byNamesOf: directory, from: cookie, bits: bits)
        } else {
            try fill(&page, byPositionsIn: directory, from: cookie, reading: limit)
        }
        listing = page.listing
        if listing.entries.isEmpty && !listing.endOfDirectory { throw .tooSmall }
    }

    /// In the order and with the positions of the file system.
    private func fill(
        _ page: inout ListingPage, byPositionsIn directory: OpenFile, from cookie: UInt64, reading size: Int
    ) throws(NFSStatus) {
        var reader: DirectoryReader
        do throws(SystemError) {
            reader = try DirectoryReader(directory.path.raw, from: cookie, reading: size)
        } catch {
            // lseek(2) to a position that no directory has.
            throw error.call == "lseek" ? .badCookie : NFSStatus(error.errno)
        }
        while let raw = try nfs({ () throws(SystemError) in try reader.next() }) {
            let entry = DirectoryEntry(fileID: raw.inode, name: raw.name, cookie: raw.next)
            guard add(entry, of: directory, to: &page) else { return }
        }
        page.end()
    }

    /// In the order of the names' hashes.
    private func fill(
        _ page: inout ListingPage, byNamesOf directory: OpenFile, from cookie: UInt64, bits: Int
    ) throws(NFSStatus) {
        guard cookie <= DirectoryListings.greatestCookie(bits: bits), let attributes = page.listing.attributes else {
            throw .badCookie
        }
        let path = directory.path.raw
        var reader = try nfs { () throws(SystemError) in try DirectoryReader(path) }
        var cookie = cookie
        for (dots, own) in [("." as FileName, 1 as UInt64), ("..", 2)] where cookie < own {
            let status = try nfs { () throws(SystemError) in try FileCalls.status(at: path, dots) }
            let entry = DirectoryEntry(fileID: UInt64(status.st_ino), name: dots, cookie: own)
            guard add(entry, of: directory, to: &page) else { return }
        }
        while true {
            let snapshot = try server.listings.snapshot(of: directory, attributes, &reader, after: cookie, bits: bits)
            for item in snapshot.items[snapshot.index(after: cookie)...] {
                let entry = DirectoryEntry(fileID: item.inode, name: snapshot.name(item), cookie: item.cookie)
                guard add(entry, of: directory, to: &page) else { return }
            }
            if snapshot.upper == .max { return page.end() }
            cookie = snapshot.upper
            if !page.listing.entries.isEmpty { return }
        }
    }

    /// - Returns: whether there was room.
    private func add(_ entry: DirectoryEntry, of directory: OpenFile, to page: inout ListingPage) -> Bool {
        var entry = entry
        // What is above the export is nobody's business.
        if directory.isRoot, entry.name == ".." { entry.fileID = directory.identity.inode }
        if page.plus, !entry.name.isDots, !describe(&entry, in: directory) { return true }
        return page.add(entry)
    }

    /// Attributes and handle of an entry, as far as they can be had: the client asks for what is missing.
    ///
    /// - Returns: whether the entry is still there.
    private func describe(_ entry: inout DirectoryEntry, in directory: OpenFile) -> Bool {
        let parent = directory.path.raw
        let export = directory.export
        do throws(SystemError) {
            let status = try FileCalls.status(at: parent, entry.name)
            // On another device something is mounted: it is not exported.
            guard status.st_mode & S_IFMT != S_IFDIR || UInt64(status.st_dev) == export.rootIdentity.device else {
                return true
            }
            entry.handle = try export.handle(
                in: parent, status, at: Place(directory: directory.identity, name: entry.name))
            entry.attributes = FileAttributes(status)
            entry.fileID = UInt64(status.st_ino)
        } catch {
            return error.errno != .noSuchFileOrDirectory
        }
        return true
    }
}

/// The entries of one answer, as many as its limits let in.
private struct ListingPage {
    private(set) var listing: DirectoryListing
    let plus: Bool
    private var left: Int
    private var namesLeft: Int

    init(_ listing: DirectoryListing, nameLimit: Int, limit: Int, plus: Bool) {
        self.listing = listing
        self.plus = plus
        left = limit - DirectoryListing.overhead(attributes: listing.attributes)
        namesLeft = nameLimit
    }

    /// - Returns: false where the entry did not fit, and the page is done.
    mutating func add(_ entry: DirectoryEntry) -> Bool {
        left -= plus ? entry.encodedLengthPlus : entry.encodedLength
        namesLeft -= entry.encodedLength
        guard left >= 0, namesLeft >= 0 else {
            // Entries of one cookie go together: a client that went on from it would miss the second.
            while listing.entries.last?.cookie == entry.cookie { listing.entries.removeLast() }
            return false
        }
        listing.entries.append(entry)
        return true
    }

    /// There is nothing more; where not even nothing has room, it is not said.
    mutating func end() { listing.endOfDirectory = left >= 0 }
}

extension FileServer {
    /// Bytes that a listing has at most, whatever the client has room for.
    static let listingMaximum = 1 << 20
}
