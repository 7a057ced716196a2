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
    ///   - cookie: 0, or the kernel's position after an entry: d_off of getdents64(2).
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
            // The cookies are the file system's and stay good as long as the directory does, which its handle watches
            // over.
            let mine = NFS.Verifier(found.identity.inode)
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
        let parent = directory.path.raw
        var reader: DirectoryReader
        do throws(SystemError) {
            reader = try DirectoryReader(parent, from: cookie)
        } catch {
            // lseek(2) to a position that no directory has.
            throw error.call == "lseek" ? .badCookie : NFSStatus(error.errno)
        }
        var left = limit - DirectoryListing.overhead(attributes: listing.attributes)
        var namesLeft = nameLimit
        while let raw = try next(&reader) {
            var entry = DirectoryEntry(fileID: raw.inode, name: raw.name, cookie: raw.next)
            // What is above the export is nobody's business.
            if directory.isRoot, raw.name == ".." { entry.fileID = directory.identity.inode }
            if plus, !raw.name.isDots { describe(&entry, in: directory) }
            left -= plus ? entry.encodedLengthPlus : entry.encodedLength
            namesLeft -= entry.encodedLength
            guard left >= 0, namesLeft >= 0 else {
                if listing.entries.isEmpty { throw .tooSmall }
                return
            }
            listing.entries.append(entry)
        }
        guard left >= 0 else { throw .tooSmall }
        listing.endOfDirectory = true
    }

    private func next(_ reader: inout DirectoryReader) throws(NFSStatus) -> RawEntry? {
        do throws(SystemError) { return try reader.next() } catch { throw NFSStatus(error.errno) }
    }

    /// Attributes and handle of an entry, as far as they can be had: the client asks for what is missing.
    private func describe(_ entry: inout DirectoryEntry, in directory: OpenFile) {
        let parent = directory.path.raw
        let export = directory.export
        guard let status = try? FileCalls.status(at: parent, entry.name),
            let handle = try? export.handle(
                in: parent, status, at: Place(directory: directory.identity, name: entry.name))
        else { return }
        // On another device something is mounted: it is not exported.
        guard status.st_mode & S_IFMT != S_IFDIR || UInt64(status.st_dev) == export.rootIdentity.device else { return }
        entry.attributes = FileAttributes(status)
        entry.handle = handle
    }
}

extension FileServer {
    /// Bytes that a listing has at most, whatever the client has room for.
    static let listingMaximum = 1 << 20
}
