import Glibc
import Kernel
import NFS

/// How directories are listed, so that an entry that is there throughout a listing comes exactly once.
///
/// The kernel's position after an entry is that entry's for good on some file systems; there it is the cookie. Elsewhere a
/// hash of the entry's name is, and the entries come in the order of the hashes: that order no change of the directory can
/// touch, nor a restart, since the hash's key is kept with that of the file handles.
final class DirectoryListings: Sendable {
    private let cookies: ListingCookies
    private let hash: SipHash
    private let windowLimit: Int
    let snapshots: SnapshotCache

    /// - Parameters:
    ///   - secret: 16 bytes, the hash's key.
    ///   - window: bytes that one snapshot of a directory may take. A directory with more names is read several times.
    ///   - memory: bytes of all the snapshots that are kept.
    init(_ cookies: ListingCookies, secret: [UInt8], window: Int = 8 << 20, memory: Int = 32 << 20) {
        self.cookies = cookies
        hash = SipHash(key: secret)
        windowLimit = window
        snapshots = SnapshotCache(limit: memory)
    }

    /// How many bits of a name's hash are the cookie; nil where the kernel's position is.
    func nameBits(_ directory: OpenFile) throws(NFSStatus) -> Int? {
        switch cookies {
        case .positions: return nil
        case .names(let bits): return min(max(bits, 1), 62)
        case .automatic:
            let type = try nfs { () throws(SystemError) in try FileSystemType(of: directory.path.raw) }
            return type.keepsPositions ? nil : 62
        }
    }

    /// The cookie verifier: the same for a directory's whole life, since its cookies stay good as long; its handle
    /// watches over that. A server that makes the other kind of cookies has another.
    func verifier(_ directory: OpenFile) throws(NFSStatus) -> NFS.Verifier {
        try nameBits(directory) == nil ? directory.identity.inode : ~directory.identity.inode
    }

    /// Cookies of names are above those of `.` and `..`, 1 and 2, and below 2^63, which is all that off_t can say.
    static func greatestCookie(bits: Int) -> UInt64 { (1 << UInt64(bits)) + 2 }

    /// Names of a directory from a cookie on: as it is now where a listing begins, and not as it was before the listing
    /// began where one goes on.
    ///
    /// - Parameters:
    ///   - reader: the directory opened for reading by who lists it, so that who may not sees no snapshot either.
    ///   - attributes: the directory's, from before `reader` was opened.
    func snapshot(
        of directory: OpenFile, _ attributes: FileAttributes, _ reader: inout DirectoryReader, after cookie: UInt64,
        bits: Int
    ) throws(NFSStatus) -> DirectorySnapshot {
        let stamp = SnapshotCache.Stamp(modified: attributes.modificationTime, changed: attributes.changeTime)
        if cookie != 0, let found = snapshots.find(directory.handle, after: cookie, stamp) { return found }
        let number = snapshots.begin(directory.handle, beginning: cookie == 0)
        var snapshot: DirectorySnapshot?
        defer { snapshots.end(number, snapshot, stamp) }
        do throws(SystemError) {
            try reader.rewind()
            let read = try DirectorySnapshot(reading: &reader, after: cookie, limit: windowLimit) {
                hash.hash($0) >> UInt64(64 - bits) + 3
            }
            snapshot = read
            return read
        } catch {
            throw NFSStatus(error.errno)
        }
    }
}
