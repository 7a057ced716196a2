import CLinux
import Glibc
import Kernel
import NFS
import Synchronization
import SystemPackage

/// Handles for file systems without handles of their own, and for servers that may not open the kernel's: inode number,
/// ``Fingerprint``, and a table of where each was last seen. What the table has forgotten, or never knew because the
/// server has restarted, is searched for in the export.
///
///     8 bytes  device; 0 for that of the export's root, whose number may be another after the machine restarts
///     8 bytes  inode
///     8 bytes  fingerprint; 0 where there is none
///     4 bytes  generation; 0 where there is a fingerprint
///
/// Without fingerprints an inode number that another file got after its first was removed by this server is told apart by
/// a generation, which a restart forgets; after one that somebody else removed it is not.
final class TableHandles: HandleStrategy {
    static let tag: UInt8 = 2

    private let root: SharedDescriptor
    private let rootIdentity: Identity
    private let rootFingerprint: UInt64?
    private let fingerprint: Fingerprint
    /// How many entries a search looks at before it gives up.
    private let searchLimit: Int
    private let table: Mutex<Table>

    /// What is known, in two halves: when the young half is full it becomes the old half, and the old half is
    /// forgotten. What is used goes back to the young half.
    private struct Table {
        static let limit = 1 << 15
        private var young: [Identity: Place] = [:]
        private var old: [Identity: Place] = [:]
        /// A number for each time an inode number was given up here. Forgotten all at once when there are too many.
        private var generations: [Identity: UInt32] = [:]
        /// What was searched for in vain, and when: a client with many handles of removed files asks for one walk of the
        /// export a second for each, not for one with each call.
        private var absent: [Identity: UInt64] = [:]

        mutating func place(_ identity: Identity) -> Place? {
            if let place = young[identity] { return place }
            guard let place = old[identity] else { return nil }
            record(identity, place)
            return place
        }

        mutating func record(_ identity: Identity, _ place: Place) {
            if young.count >= Self.limit {
                old = young
                young = [:]
            }
            young[identity] = place
            absent[identity] = nil
        }

        /// For what a search came by: only while there is room, and nothing that is known is replaced.
        mutating func note(_ identity: Identity, _ place: Place) {
            guard young.count < Self.limit, young[identity] == nil, old[identity] == nil else { return }
            young[identity] = place
        }

        mutating func searchedInVain(_ identity: Identity) {
            if absent.count >= 1024 { absent = [:] }
            absent[identity] = Deadline.clock
        }

        func isAbsent(_ identity: Identity) -> Bool {
            guard let time = absent[identity] else { return false }
            return Deadline.clock &- time < 1_000_000_000
        }

        mutating func forget(_ identity: Identity) {
            young[identity] = nil
            old[identity] = nil
        }

        func generation(_ identity: Identity) -> UInt32? { generations[identity] }

        mutating func retire(_ identity: Identity) {
            forget(identity)
            if generations.count >= Self.limit { generations = [:] }
            // Not a count: after a restart it would begin again, with numbers that handles have already.
            generations[identity] = UInt32.random(in: 1 ... .max)
        }
    }

    /// - Parameters:
    ///   - root: the export's root.
    ///   - fingerprint: nil: what its file system has.
    init(
        _ root: SharedDescriptor, fingerprint: Fingerprint? = nil, searchLimit: Int = 1_000_000
    ) throws(SystemError) {
        self.root = root
        self.searchLimit = searchLimit
        rootIdentity = Identity(try Files.status(root.raw))
        let chosen: Fingerprint
        if let fingerprint { chosen = fingerprint } else { chosen = try Fingerprint(fileSystemOf: root.raw) }
        self.fingerprint = chosen
        rootFingerprint = try chosen.of(root.raw)
        table = Mutex(Table())
    }

    func object(_ descriptor: Int32, _ status: stat, at place: Place?) throws(SystemError) -> [UInt8] {
        written(Identity(status), try fingerprint.of(descriptor), place)
    }

    func object(in directory: Int32, _ status: stat, at place: Place) throws(SystemError) -> [UInt8] {
        written(Identity(status), try fingerprint.of(place.name, in: directory), place)
    }

    private func written(_ identity: Identity, _ fingerprint: UInt64?, _ place: Place?) -> [UInt8] {
        let generation = table.withLock { table in
            if let place { table.record(identity, place) }
            return table.generation(identity) ?? 0
        }
        let device = identity.device == rootIdentity.device ? 0 : identity.device
        return device.bigEndianBytes + identity.inode.bigEndianBytes + (fingerprint ?? 0).bigEndianBytes
            + generation.bigEndianBytes
    }

    func moved(_ identity: Identity, to place: Place) { table.withLock { $0.record(identity, place) } }

    func removed(_ identity: Identity) {
        table.withLock { table in
            if fingerprint.isKnown { table.forget(identity) } else { table.retire(identity) }
        }
    }

    /// What a handle is for.
    private struct Wanted {
        let identity: Identity
        /// Nil where any will do.
        let fingerprint: UInt64?
    }

    private static let stale = SystemError("open", .staleNFSFileHandle)

    func open(_ object: [UInt8]) throws(SystemError) -> Descriptor {
        guard let device = UInt64(bigEndianBytes: object.prefix(8)),
            let inode = UInt64(bigEndianBytes: object.dropFirst(8).prefix(8)),
            let fingerprint = UInt64(bigEndianBytes: object.dropFirst(16).prefix(8)),
            let generation = UInt32(bigEndianBytes: object.dropFirst(24))
        else { throw Self.stale }
        let identity = Identity(device: device == 0 ? rootIdentity.device : device, inode: inode)
        let wanted = Wanted(identity: identity, fingerprint: self.fingerprint.isKnown ? fingerprint : nil)
        if identity == rootIdentity {
            guard wanted.fingerprint == nil || wanted.fingerprint == rootFingerprint ?? 0 else { throw Self.stale }
            return try FileCalls.open(beneath: root.raw, ".", FileCalls.path)
        }
        // A generation that is not known was forgotten in a restart and says nothing.
        if let known = table.withLock({ $0.generation(identity) }), known != generation { throw Self.stale }
        if let found = try lookedUp(wanted) { return found }
        let absent = table.withLock { table in
            table.forget(identity)
            return table.isAbsent(identity)
        }
        guard !absent else { throw Self.stale }
        guard let found = try search(for: wanted) else {
            table.withLock { $0.searchedInVain(identity) }
            throw Self.stale
        }
        return found
    }

    /// By the table; nil where it does not know, or where something else is there now.
    private func lookedUp(_ wanted: Wanted) throws(SystemError) -> Descriptor? {
        var components: [FileName] = []
        let complete = table.withLock { table in
            var next = wanted.identity
            // Deeper than any path is long: directories that were moved behind the server's back could form a circle.
            while next != rootIdentity {
                guard components.count < 2048, let place = table.place(next) else { return false }
                components.append(place.name)
                next = place.directory
            }
            return true
        }
        guard complete else { return nil }
        return try found(wanted, Self.joined(components.reversed()))
    }

    private static func joined(_ components: [FileName]) -> FileName {
        FileName(Array(components.map(\.bytes).joined(separator: [UInt8(ascii: "/")])))
    }

    /// What is at `path` beneath the root, where it is the object wanted.
    ///
    /// - Throws: ``SystemError`` with ESTALE where another object has the inode number now.
    private func found(_ wanted: Wanted, _ path: FileName) throws(SystemError) -> Descriptor? {
        do throws(SystemError) {
            let opened = try FileCalls.open(beneath: root.raw, path, FileCalls.path)
            guard Identity(try Files.status(opened.raw)) == wanted.identity else { return nil }
            if let fingerprint = wanted.fingerprint {
                guard try self.fingerprint.of(opened.raw) ?? 0 == fingerprint else { throw Self.stale }
            }
            return opened
        } catch {
            switch error.errno {
            // Something was moved or removed: the object may be elsewhere.
            case .noSuchFileOrDirectory, .notDirectory, .tooManySymbolicLinkLevels, .fileNameTooLong, .improperLink:
                return nil
            default: throw error
            }
        }
    }

    /// Walks the export, directory by directory, until the inode number turns up.
    private func search(for wanted: Wanted) throws(SystemError) -> Descriptor? {
        var left = searchLimit
        var directories: [(path: [FileName], identity: Identity)] = [([], rootIdentity)]
        var next = 0
        while next < directories.count {
            let (path, directory) = directories[next]
            next += 1
            let way = path.isEmpty ? "." : Self.joined(path)
            guard let opened = try found(Wanted(identity: directory, fingerprint: nil), way) else { continue }
            var reader: DirectoryReader
            do throws(SystemError) {
                reader = try DirectoryReader(opened.raw)
            } catch {
                continue  // not the server's to read: what is in it was never served either
            }
            while let entry = try reader.next() {
                if entry.name == "." || entry.name == ".." { continue }
                left -= 1
                if left < 0 { return nil }
                let place = Place(directory: directory, name: entry.name)
                if entry.inode == wanted.identity.inode,
                    let match = try found(wanted, Self.joined(path + [entry.name]))
                {
                    table.withLock { $0.record(wanted.identity, place) }
                    return match
                }
                // After a restart clients come with all the handles they have: not each is to be searched for.
                let seen = Identity(device: directory.device, inode: entry.inode)
                table.withLock { $0.note(seen, place) }
                // DT_DIR 4, DT_UNKNOWN 0
                guard entry.type == 4 || entry.type == 0,
                    let status = try? FileCalls.status(at: opened.raw, entry.name), status.st_mode & S_IFMT == S_IFDIR,
                    UInt64(status.st_dev) == rootIdentity.device
                else { continue }
                let child = Identity(status)
                table.withLock { $0.record(child, place) }
                directories.append((path + [entry.name], child))
            }
        }
        return nil
    }
}
